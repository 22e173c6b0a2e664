"""Random changes of training pictures; every draw comes from an explicit generator on the CPU."""

import math

import torch
from torch import Tensor
from torch.nn import functional


def driving(image: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures (B, 3, S, S) in [-1, 1] with other colours, brightness, scale (0.85 to 1.15) and place (up to 8 %).

    What stays the same is the motion; a motion code that follows it cannot hold colours or proportions of the face.
    """
    batch = len(image)
    scale = 1 + 0.15 * _uniform((batch,), generator)
    shift = 0.16 * _uniform((batch, 2), generator)
    theta = torch.zeros(batch, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = scale
    theta[:, :, 2] = shift
    grid = functional.affine_grid(theta.to(image.device), list(image.shape), align_corners=False)
    moved = functional.grid_sample(image, grid, padding_mode="border", align_corners=False)
    return colours(moved, *draw_colours(batch, generator))


def draw_colours(batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Colour matrices (B, 3, 3) and offsets (B, 3): hue turns by up to 60 degrees, gain 0.7 to 1.3, offset 0.2."""
    axis = torch.full((3,), 1 / math.sqrt(3))
    angle = math.pi / 3 * _uniform((batch, 1, 1), generator)
    cross = torch.linalg.cross(torch.eye(3), axis.expand(3, 3))
    turn = angle.cos() * torch.eye(3) + angle.sin() * cross + (1 - angle.cos()) * axis[:, None] * axis
    gain = 1 + 0.3 * _uniform((batch, 3, 1), generator)
    return gain * turn, 0.2 * _uniform((batch, 3), generator)


def colours(image: Tensor, matrix: Tensor, offset: Tensor) -> Tensor:
    """Pictures (B, 3, S, S) in [-1, 1] through matrices (B, 3, 3) and offsets (B, 3), clipped to [-1, 1]."""
    matrix, offset = matrix.to(image.device), offset.to(image.device)
    changed = torch.einsum("bij,bjhw->bihw", matrix, image) + offset[:, :, None, None]
    return changed.clamp(-1, 1)


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Uniform in [-1, 1)."""
    return 2 * torch.rand(shape, generator=generator) - 1
