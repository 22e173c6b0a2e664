"""A picture of what a method can do so far."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from thedit import camera
from thedit.files import atomic
from thedit.methods.base import Method
from thedit.pixels import to_uint8
from thedit.shards.batch import TrainBatch

YAWS = (-35.0, 0.0, 35.0)


@torch.no_grad()
def preview(method: Method, batch: TrainBatch) -> np.ndarray:
    """A grid of pictures, uint8 (height, width, 3), one column per pair.

    Rows: source, driver of the same person, prediction, driver of another person, prediction; then, if the method has
    camera control, the last prediction seen from `YAWS` degrees.
    """
    code = method.encode(batch.source)
    rows = [batch.source.image, batch.target.image, method.drive(code, batch.target, batch.target.camera)]
    rows += [batch.other.image, method.drive(code, batch.other, batch.other.camera)]
    if method.camera_control:
        for yaw in YAWS:
            rows.append(method.drive(code, batch.other, _turned(batch.source.camera, yaw)))
    grid = torch.cat([torch.cat(list(row.float().cpu()), dim=2) for row in rows], dim=1)  # (3, rows * S, B * S)
    return to_uint8(grid)


def save(path: Path, grid: np.ndarray) -> None:
    """Write a grid (height, width, 3) of uint8 as a picture."""
    with atomic(path) as temporary:
        Image.fromarray(grid).save(temporary)


def _turned(cameras: Tensor, yaw: float) -> Tensor:
    """Cameras (B, 25) that look at the head from ``yaw`` degrees, with the distance and focal length of ``cameras``."""
    cam2world, intrinsics = camera.split(cameras.cpu())
    distance = torch.linalg.vector_norm(cam2world[:, :3, 3] - torch.tensor(camera.PIVOT), dim=-1)
    centred = intrinsics.clone()
    centred[:, :2, 2] = 0.5
    return camera.join(camera.orbit(yaw, 0.0, radius=distance), centred).to(cameras.device)
