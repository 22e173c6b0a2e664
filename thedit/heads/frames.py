"""Rendered pictures and what is seen in them, in memory and on disk."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from thedit.errors import UserError
from thedit.files import atomic

DEPTH_UNIT = 1e-4  # world units a step of the stored depth


@dataclass(frozen=True)
class Frames:
    """T pictures of side S and, if asked for, what is seen at the centres of M x M cells of them.

    image        (T, S, S, 3) uint8 RGB
    mask         (T, M, M) uint8, see `thedit.heads.assets.LABELS`
    depth        (T, M, M) float32, distance from the camera's centre along the ray in world units; 0 for background
    triangle     (T, M, M) int32, triangle of the assets; where a brow, a lash or a beard is, the one that it is fixed
                 to; -1 where there is none (background, hair)
    barycentric  (T, M, M, 2) float32, weights of that triangle's first two vertices
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8] | None = None
    depth: NDArray[np.float32] | None = None
    triangle: NDArray[np.int32] | None = None
    barycentric: NDArray[np.float32] | None = None


def write_maps(path: str | Path, frames: Frames) -> None:
    """Store mask, depth (steps of `DEPTH_UNIT`), triangle and barycentric coordinates (8 bits), compressed."""
    assert frames.mask is not None and frames.depth is not None
    assert frames.triangle is not None and frames.barycentric is not None
    columns: dict[str, NDArray] = {
        "mask": frames.mask,
        "depth": (frames.depth / DEPTH_UNIT).round().clip(0, 65535).astype(np.uint16),
        "triangle": frames.triangle.astype(np.int16),
        "barycentric": (frames.barycentric * 255).round().clip(0, 255).astype(np.uint8),
    }
    table = pa.table(
        {"frame": pa.array(range(len(frames.mask)), pa.int32())}
        | {name: [picture.tobytes() for picture in values] for name, values in columns.items()},
        metadata={"side": str(frames.mask.shape[1]), "depth_unit": str(DEPTH_UNIT)},
    )
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with atomic(path) as sibling, pa.OSFile(str(sibling), "wb") as sink:
        with pa.ipc.new_file(sink, table.schema, options=options) as writer:
            writer.write_table(table)


def read_maps(path: str | Path, frames: NDArray[np.integer] | None = None) -> Frames:
    """The stored maps of a clip, of all frames or of ``frames``, without the pictures (``image`` has no frames).

    Raises `UserError` for a file that is missing or damaged.
    """
    try:
        with pa.memory_map(str(path)) as source:
            table = pa.ipc.open_file(source).read_all()
        return _maps(table if frames is None else table.take(pa.array(frames)))
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError) as error:
        raise UserError(
            f"{path}: is missing or damaged ({' '.join(str(error).split())}); run 'thedit heads render' again, "
            "which renders that clip alone."
        ) from error


def _maps(table: pa.Table) -> Frames:
    side = int(table.schema.metadata[b"side"])

    def column(name: str, dtype: type, *more: int) -> NDArray:
        return np.stack([np.frombuffer(cell.as_py(), dtype).reshape(side, side, *more) for cell in table[name]])

    return Frames(
        image=np.zeros((0, side, side, 3), np.uint8),
        mask=column("mask", np.uint8),
        depth=column("depth", np.uint16).astype(np.float32) * np.float32(DEPTH_UNIT),
        triangle=column("triangle", np.int16).astype(np.int32),
        barycentric=column("barycentric", np.uint8, 2).astype(np.float32) / np.float32(255),
    )
