"""Backward warping, shared by the methods that animate by moving the source's pixels or features.

A flow holds displacements, not positions: zero is the identity at every resolution, also after resizing.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

P = ParamSpec("P")
R = TypeVar("R")


def full_precision(function: Callable[P, R]) -> Callable[P, R]:
    """Decorates functions of coordinates: bfloat16 autocast would place a point only to half a pixel in 256."""

    @wraps(function)
    def run(*arguments: P.args, **options: P.kwargs) -> R:
        with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
            return function(*arguments, **options)

    return run


def grid(height: int, width: int, like: Tensor) -> Tensor:
    """Pixel centres (height, width, 2) as x, y in [-1, 1], on the device and in the type of ``like``."""
    x = (torch.arange(width, device=like.device, dtype=like.dtype) + 0.5) * 2 / width - 1
    y = (torch.arange(height, device=like.device, dtype=like.dtype) + 0.5) * 2 / height - 1
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)


@full_precision
def places(flow: Tensor) -> Tensor:
    """Where a flow (B, 2, h, w) looks each pixel up: (B, h, w, 2), normalised coordinates of the picture."""
    height, width = flow.shape[-2:]
    flow = flow.float()
    return (grid(height, width, flow) + flow.permute(0, 2, 3, 1) + 1) / 2


@full_precision
def warp(picture: Tensor, flow: Tensor) -> Tensor:
    """Look up ``picture`` (B, C, H, W) at each pixel plus ``flow`` (B, 2, h, w).

    The flow is in [-1, 1] units (2 is the picture's side) and is resized to the picture's; outside, the picture's edge
    is repeated. Returns (B, C, H, W).
    """
    height, width = picture.shape[-2:]
    flow = flow.float()
    if flow.shape[-2:] != (height, width):
        flow = functional.interpolate(flow, (height, width), mode="bilinear", align_corners=False)
    positions = grid(height, width, flow) + flow.permute(0, 2, 3, 1)  # (B, H, W, 2)
    found = functional.grid_sample(
        picture.float(), positions, mode="bilinear", padding_mode="border", align_corners=False
    )
    return found.to(picture.dtype)
