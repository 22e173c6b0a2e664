"""Bilinear samples of pictures at given places, all channels of a place side by side."""

from typing import Literal

from torch import Tensor
from torch.nn import functional

from thedit.kernels import fused, looped, processor

Outside = Literal["border", "zeros"]


def sample(picture: Tensor, place: Tensor, outside: Outside, into: Tensor | None = None, first: int = 0) -> Tensor:
    """Values (B, P, C) of pictures (B, C, H, W) at places (B, P, 2), x and y in [-1, 1] from edge to edge.

    ``outside`` of a picture its border goes on, or there are zeros. Gradients reach pictures and places.
    Where none are asked for, ``into`` (B, P, ...) may have the values written to its channels from ``first`` on.
    """
    if fused(picture):
        from thedit.kernels import sample_triton

        return sample_triton.sample(picture, place, outside)
    if looped(picture):
        return processor.of_pictures(picture, place, outside == "border", into, first)
    found = functional.grid_sample(picture, place[:, None], padding_mode=outside, align_corners=False)
    return found[:, :, 0].transpose(1, 2)
