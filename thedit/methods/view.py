"""Square parts of pictures, among them what tells a driver's motion and little else: the face."""

import torch
from torch import Tensor
from torch.nn import functional

from thedit.shards.batch import PARTS, FrameBatch

MARGIN = 1.1
"""Side of the square around a face, in the larger extent of its landmarks."""


def cut(picture: Tensor, box: Tensor, mode: str = "bilinear", padding: str = "border") -> Tensor:
    """Squares of pictures (B, C, S, S), ``box`` (B, 3) as left, top, side in units of S, enlarged to S pixels."""
    left, top, side = box.unbind(1)
    theta = torch.zeros(len(box), 2, 3, device=box.device)
    theta[:, 0, 0] = theta[:, 1, 1] = side
    theta[:, 0, 2], theta[:, 1, 2] = 2 * left + side - 1, 2 * top + side - 1
    grid = functional.affine_grid(theta, list(picture.shape), align_corners=False)
    return functional.grid_sample(picture, grid, mode=mode, padding_mode=padding, align_corners=False)


def face(frames: FrameBatch) -> Tensor:
    """The faces (B, 3, S, S) of frames, RGB in [-1, 1], as large as their landmarks allow; grey around the face."""
    low, high = frames.landmarks.amin(1), frames.landmarks.amax(1)  # (B, 2)
    side = MARGIN * (high - low).amax(1, keepdim=True)
    inside = frames.parts > PARTS["outside"]
    return cut(frames.image * inside, torch.cat([(low + high - side) / 2, side], dim=1), padding="zeros")
