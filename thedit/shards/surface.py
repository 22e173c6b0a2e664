"""What is seen at each cell of a frame: truth that only generated heads have."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from thedit import camera
from thedit.heads.assets import LABELS
from thedit.heads.frames import DEPTH_UNIT, Frames
from thedit.shards.combine import combine


@dataclass(frozen=True)
class Surface:
    """B frames of G x G cells, G a quarter of the frames' side; every tensor has the batch first.

    label        (B, G, G) uint8, see `thedit.heads.assets.LABELS`; 0 is background
    triangle     (B, G, G) int32, triangle of the head's mesh; -1 for strands and background
    weights      (B, G, G, 2) float32 of its first two vertices, at the point that was seen nearest to the cell's centre
    distance     (B, G, G) float32 of that point from the camera's centre, world units; 0 for background
    camera       (B, 25) float32, the true camera of the frame (`FrameBatch.camera` is fitted)
    expression   (B, 52) float32, true
    identity     (B, K) float32, true coefficients of the head's identity components
    mirrored     (B,) bool: picture, camera and expression are those in a mirror (x to -x of the world and of the
                 picture), triangle, weights and identity those of the head in front of it
    """

    label: Tensor
    triangle: Tensor
    weights: Tensor
    distance: Tensor
    camera: Tensor
    expression: Tensor
    identity: Tensor
    mirrored: Tensor

    def __len__(self) -> int:
        return self.label.shape[0]

    def __getitem__(self, rows: slice | Tensor) -> "Surface":
        return combine(lambda tensor: tensor[rows], self)


def look(frames: Frames, cameras: Tensor, expression: Tensor, identity: Tensor, boxes: Tensor, cells: int) -> Surface:
    """What T crops show in ``cells`` x ``cells`` cells: at each centre, what the maps' nearest pixel saw.

    cameras (T, 25) of the whole pictures, expression (T, 52), identity (K,); boxes (T, 3): left, top, side of the
    crops in normalised units of the pictures. What lies outside of them is background.
    """
    assert frames.mask is not None and frames.depth is not None
    assert frames.triangle is not None and frames.barycentric is not None
    side = frames.mask.shape[1]
    steps = (np.arange(cells) + 0.5) / cells
    left, top, size = boxes.numpy().T[..., None]  # (T, 1)
    column, row = (np.floor((corner + size * steps) * side).astype(int) for corner in (left, top))  # (T, cells)
    outside = [(place < 0) | (place >= side) for place in (column, row)]
    nowhere = outside[1][:, :, None] | outside[0][:, None]  # (T, cells, cells)
    index = np.arange(len(row))[:, None, None], row.clip(0, side - 1)[:, :, None], column.clip(0, side - 1)[:, None]

    def pick(values: np.ndarray, empty: float) -> Tensor:
        picked = values[index]
        picked[nowhere] = empty
        return torch.from_numpy(picked)

    return Surface(
        label=pick(frames.mask, LABELS["background"]),
        triangle=pick(frames.triangle, -1),
        weights=pick(frames.barycentric, 0),
        distance=pick(frames.depth, 0),
        camera=camera.crop(cameras, boxes),
        expression=expression,
        identity=identity.expand(len(expression), -1),
        mirrored=torch.zeros(len(expression), dtype=torch.bool),
    )


def pack(surface: Surface) -> list[bytes]:
    """Each frame as compressed bytes, 3 to 10 kB with 64 x 64 cells; weights keep 8 bits, distances `DEPTH_UNIT`.

    Behind the number of bytes that follow when they are decompressed: the numbers of cells along a side and of identity
    components, then camera, expression and identity as float32, then label, triangle, weights and distance, cell by
    cell. Frames in a mirror are not kept.
    """
    cells = surface.label.shape[-1]
    packed = []
    for row in range(len(surface)):
        one = surface[row : row + 1]
        numbers = torch.cat([one.camera[0], one.expression[0], one.identity[0]]).numpy().astype(np.float32)
        maps = (
            one.label.numpy().astype(np.uint8),
            one.triangle.numpy().astype(np.int16),
            (one.weights * 255).round().clamp(0, 255).numpy().astype(np.uint8),
            (one.distance / DEPTH_UNIT).round().clamp(0, 65535).numpy().astype(np.uint16),
        )
        sizes = np.array([cells, one.identity.shape[1]], np.int32)
        raw = b"".join(array.tobytes() for array in (sizes, numbers, *maps))
        packed.append(len(raw).to_bytes(4, "little") + pa.compress(raw, codec="zstd", asbytes=True))
    return packed


def unpack(packed: Sequence[bytes]) -> Surface:
    """The frames of `pack`. Raises `ValueError` for bytes that it did not make."""
    rows = [_row(content) for content in packed]
    columns = [torch.from_numpy(np.stack(column)) for column in zip(*rows)]
    label, triangle, weights, distance, camera_, expression, identity = columns
    return Surface(
        label=label,
        triangle=triangle.int(),
        weights=weights.float() / 255,
        distance=distance.float() * DEPTH_UNIT,
        camera=camera_,
        expression=expression,
        identity=identity,
        mirrored=torch.zeros(len(rows), dtype=torch.bool),
    )


def _row(content: bytes) -> tuple[np.ndarray, ...]:
    """Label, triangle, weights, distance, camera, expression and identity of one frame."""
    try:
        raw = pa.decompress(content[4:], int.from_bytes(content[:4], "little"), codec="zstd", asbytes=True)
    except (OSError, pa.ArrowException) as error:
        raise ValueError("no packed surface") from error
    cells, components = np.frombuffer(raw, np.int32, 2).tolist() if len(raw) >= 8 else (0, 0)
    if len(raw) != 8 + 4 * (25 + 52 + components) + 7 * cells**2:
        raise ValueError("no packed surface")
    numbers = np.frombuffer(raw, np.float32, 25 + 52 + components, 8)
    camera_, expression, identity = np.split(numbers, [25, 25 + 52])
    at = 8 + numbers.nbytes
    maps = []
    for dtype, more in ((np.uint8, ()), (np.int16, ()), (np.uint8, (2,)), (np.uint16, ())):
        count = cells**2 * int(np.prod(more))
        maps.append(np.frombuffer(raw, dtype, count, at).reshape(cells, cells, *more))
        at += maps[-1].nbytes
    return *maps, camera_, expression, identity
