"""Random changes of training pictures, drawn from torch's own generator on their device."""

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
        changed = torch.einsum("bij,bjhw->bihw", self.matrix, image) + self.offset
        return (changed + self.amplitude * torch.sin(self.frequency * changed + self.phase)).clamp(-1, 1)


def draw_colours(batch: int, device: torch.device) -> Colours:
    """Changes from none to a hue turned by 60 degrees, gains of 0.7 and 1.3, offsets of 0.2 and waves of 0.35."""
    strength = torch.rand(batch, 1, 1, device=device)
    same, axis = torch.eye(3, device=device), torch.full((3,), 1 / math.sqrt(3), device=device)
    angle = math.pi / 3 * strength * _uniform((batch, 1, 1), device)
    cross = torch.linalg.cross(same, axis.expand(3, 3))
    turn = angle.cos() * same + angle.sin() * cross + (1 - angle.cos()) * axis[:, None] * axis
    gain = 1 + 0.3 * strength * _uniform((batch, 3, 1), device)
    strength = strength.unsqueeze(-1)
    offset = 0.2 * strength * _uniform((batch, 3, 1, 1), device)
    amplitude = 0.35 * strength * _uniform((batch, 3, 1, 1), device)
    frequency = 3.75 + 2.25 * _uniform((batch, 3, 1, 1), device)
    return Colours(gain * turn, offset, amplitude, frequency, math.pi * _uniform((batch, 3, 1, 1), device))


def driving(image: Tensor) -> Tensor:
    """Pictures (B, 3, S, S) in [-1, 1] with other colours, width and height (0.85 to 1.15) and place (up to 8 %).

    What stays the same is the motion; a motion code that follows it cannot hold colours or proportions of the face.
    """
    batch, device = len(image), image.device
    theta = torch.zeros(batch, 2, 3, device=device)
    theta[:, :, :2] = torch.diag_embed(1 + 0.15 * _uniform((batch, 2), device))
    theta[:, :, 2] = 0.16 * _uniform((batch, 2), device)
    grid = functional.affine_grid(theta, list(image.shape), align_corners=False)
    moved = functional.grid_sample(image, grid, padding_mode="border", align_corners=False)
    return draw_colours(batch, device)(moved)


def _uniform(shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Uniform in [-1, 1)."""
    return 2 * torch.rand(shape, device=device) - 1
