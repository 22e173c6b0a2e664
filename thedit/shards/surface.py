"""What is seen at each cell of a frame: truth that only generated heads have."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from thedit import camera
from thedit.heads.assets import LABELS
from thedit.heads.frames import Frames
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
