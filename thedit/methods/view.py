"""Square parts of pictures, among them what tells a driver's motion and little else: the face."""

import functools

import torch
from torch import Tensor, nn
from torch.nn import functional

from thedit import camera
from thedit.fitting.model import landmark_model
from thedit.shards.batch import PARTS, FrameBatch

MARGIN = 1.1
"""Side of the square around a face, in the larger extent of its landmarks."""
FRONT = (-0.19, 0.15, 0.38)
"""Left, top and side of the square of the world's x and y that the unposed view shows, world units."""
LEAST_FACING = 0.15
"""Cosine between surface and line of sight below which the unposed view shows nothing."""


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


class Unposed(nn.Module):
    """The faces of frames as seen from the front.

    A smooth surface through the mean head's landmarks, z = a + b x^2 + c y + d y^2, is projected into the picture by
    the frame's camera.
    """

    points: Tensor
    normals: Tensor

    def __init__(self, size: int):
        super().__init__()
        self.size = size
        with torch.device("cpu"):  # a method may be built without memory, its landmarks are shared
            points, normals = _smooth_face(size)
        self.register_buffer("points", points, persistent=False)  # (size * size, 3), row by row from the upper left
        self.register_buffer("normals", normals, persistent=False)

    def forward(self, frames: FrameBatch, jitter: float = 0.0) -> Tensor:
        """Pictures (B, 3, size, size), RGB in [-1, 1]; grey where the face looks away.

        ``jitter`` moves and scales what is seen by so much at random.
        """
        with torch.autocast(frames.image.device.type, enabled=False):
            place = 2 * camera.project(self.points.expand(len(frames), -1, 3), frames.camera) - 1
            if jitter:
                shift, scale = (jitter * torch.randn(2, len(frames), 1, 2, device=place.device)).unbind()
                middle = place.mean(1, keepdim=True)
                place = middle + shift / 2 + (place - middle) * (1 + scale)
            towards = functional.normalize(frames.camera[:, None, 3:12:4] - self.points, dim=-1)
            facing = (towards * self.normals).sum(-1).unflatten(1, (self.size, self.size))[:, None]
            face = frames.image * (frames.parts > PARTS["outside"])
            seen = functional.grid_sample(face, place.unflatten(1, (self.size, self.size)), align_corners=False)
            return seen * ((facing - LEAST_FACING) * 5).clamp(0, 1)


def _smooth_face(size: int) -> tuple[Tensor, Tensor]:
    """World points and unit normals (size * size, 3)."""
    marks = landmark_model("annyheads").mean
    solution = torch.linalg.lstsq(_terms(marks[:, 0], marks[:, 1]), marks[:, 2:]).solution[:, 0]
    steps = (torch.arange(size, dtype=torch.float64) + 0.5) / size
    left, top, side = FRONT
    y, x = torch.meshgrid(top - side * steps, left + side * steps, indexing="ij")
    _, b, c, d = solution
    normals = functional.normalize(torch.stack([-2 * b * x, -(c + 2 * d * y), torch.ones_like(x)], dim=-1), dim=-1)
    points = torch.stack([x, y, _terms(x, y) @ solution], dim=-1)
    return points.float().reshape(-1, 3), normals.float().reshape(-1, 3)


def _terms(x: Tensor, y: Tensor) -> Tensor:
    """The terms (..., 4) of the smooth face's depth."""
    return torch.stack([torch.ones_like(x), x.square(), y, y.square()], dim=-1)


def frontal(frames: FrameBatch) -> Tensor:
    """Landmarks (B, 68, 2) as seen from the front, world units: put on the mean head's depth along their rays."""
    with torch.autocast(frames.camera.device.type, enabled=False):
        cam2world, intrinsics = camera.split(frames.camera)
        pixels = torch.cat([frames.landmarks, torch.ones_like(frames.landmarks[..., :1])], dim=-1)
        rays = pixels @ torch.linalg.inv_ex(intrinsics).inverse.mT @ cam2world[:, :3, :3].mT  # (B, 68, 3)
        centre = cam2world[:, None, :3, 3]
        depth = _mean_depth(frames.camera.device)
        points = (centre + (depth - centre[..., 2:]) / rays[..., 2:] * rays)[..., :2]
        return points - points.mean(1, keepdim=True)


@functools.cache
def _mean_depth(device: torch.device) -> Tensor:
    """z (68, 1) of the mean head's landmarks."""
    return landmark_model("annyheads").mean[:, 2:].float().to(device)
