"""Random changes of training pictures; every draw comes from an explicit generator on the CPU."""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class Colours(NamedTuple):
    """B smooth changes of colour: a matrix and an offset, then a sine wave added to each channel."""

    matrix: Tensor  # (B, 3, 3)
    offset: Tensor  # (B, 3, 1, 1)
    amplitude: Tensor  # (B, 3, 1, 1)
    frequency: Tensor  # (B, 3, 1, 1)
    phase: Tensor  # (B, 3, 1, 1)

    def __call__(self, image: Tensor) -> Tensor:
        """Pictures (B, 3, S, S) in [-1, 1] with these colours, clipped to [-1, 1]."""
        matrix, offset, amplitude, frequency, phase = (part.to(image.device, non_blocking=True) for part in self)
        changed = torch.einsum("bij,bjhw->bihw", matrix, image) + offset
        return (changed + amplitude * torch.sin(frequency * changed + phase)).clamp(-1, 1)


def draw_colours(batch: int, generator: torch.Generator) -> Colours:
    """Changes from none to a hue turned by 60 degrees, gains of 0.7 and 1.3, offsets of 0.2 and waves of 0.35."""
    strength = torch.rand(batch, 1, 1, generator=generator)
    axis = torch.full((3,), 1 / math.sqrt(3))
    angle = math.pi / 3 * strength * _uniform((batch, 1, 1), generator)
    cross = torch.linalg.cross(torch.eye(3), axis.expand(3, 3))
    turn = angle.cos() * torch.eye(3) + angle.sin() * cross + (1 - angle.cos()) * axis[:, None] * axis
    gain = 1 + 0.3 * strength * _uniform((batch, 3, 1), generator)
    strength = strength.unsqueeze(-1)
    offset = 0.2 * strength * _uniform((batch, 3, 1, 1), generator)
    amplitude = 0.35 * strength * _uniform((batch, 3, 1, 1), generator)
    frequency = 3.75 + 2.25 * _uniform((batch, 3, 1, 1), generator)
    return Colours(gain * turn, offset, amplitude, frequency, math.pi * _uniform((batch, 3, 1, 1), generator))


def driving(image: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures (B, 3, S, S) in [-1, 1] with other colours, scale (0.85 to 1.15) and place (up to 8 %).

    What stays the same is the motion; a motion code that follows it cannot hold colours or proportions of the face.
    """
    batch = len(image)
    theta = torch.zeros(batch, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = 1 + 0.15 * _uniform((batch,), generator)
    theta[:, :, 2] = 0.16 * _uniform((batch, 2), generator)
    grid = functional.affine_grid(theta.to(image.device, non_blocking=True), list(image.shape), align_corners=False)
    moved = functional.grid_sample(image, grid, padding_mode="border", align_corners=False)
    return draw_colours(batch, generator)(moved)


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Uniform in [-1, 1)."""
    return 2 * torch.rand(shape, generator=generator) - 1
