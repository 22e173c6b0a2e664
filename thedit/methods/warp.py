"""Backward warping, shared by the methods that animate by moving the source's pixels or features.

A flow holds displacements, not positions: zero is the identity at every resolution, also after resizing.
"""

import torch
from torch import Tensor
from torch.nn import functional


def grid(height: int, width: int, like: Tensor) -> Tensor:
    """Pixel centres (height, width, 2) as x, y in [-1, 1], on the device and in the type of ``like``."""
    x = (torch.arange(width, device=like.device, dtype=like.dtype) + 0.5) * 2 / width - 1
    y = (torch.arange(height, device=like.device, dtype=like.dtype) + 0.5) * 2 / height - 1
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)


def warp(picture: Tensor, flow: Tensor) -> Tensor:
    """Look up ``picture`` (B, C, H, W) at each pixel plus ``flow`` (B, 2, h, w).

    The flow is in [-1, 1] units (2 is the picture's side) and is resized to the picture's; outside, the picture's edge
    is repeated. Returns (B, C, H, W).
    """
    height, width = picture.shape[-2:]
    if flow.shape[-2:] != (height, width):
        flow = functional.interpolate(flow, (height, width), mode="bilinear", align_corners=False)
    positions = grid(height, width, flow) + flow.permute(0, 2, 3, 1)  # (B, H, W, 2)
    return functional.grid_sample(
        picture, positions.to(picture.dtype), mode="bilinear", padding_mode="border", align_corners=False
    )
