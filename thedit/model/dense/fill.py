"""Filling the places of a picture that shall not be seen from those around them."""

import torch
from torch import Tensor
from torch.nn import functional

SMALLEST = 4  # side of the coarsest level


def fill(picture: Tensor, kept: Tensor) -> Tensor:
    """``picture`` (B, C, S, S) where ``kept`` (B, 1, S, S) in [0, 1] is 1, and what surrounds it where that is 0.

    Pull and push (Gortler et al., SIGGRAPH 1996): kept values are averaged down to a few pixels, and each level is
    completed from the coarser one.
    """
    levels = [(picture * kept, kept)]
    while levels[-1][0].shape[-1] > SMALLEST and levels[-1][0].shape[-1] % 2 == 0:
        levels.append((functional.avg_pool2d(levels[-1][0], 2), functional.avg_pool2d(levels[-1][1], 2)))
    total, weight = levels[-1]
    everywhere = total.sum((2, 3), keepdim=True) / weight.sum((2, 3), keepdim=True).clamp(min=1e-6)
    filled = everywhere.expand_as(total)
    for total, weight in reversed(levels):
        if total.shape[-1] != filled.shape[-1]:
            filled = functional.interpolate(filled, scale_factor=2, mode="bilinear")
        filled = torch.lerp(filled, total / weight.clamp(min=1e-6), weight)
    return filled
