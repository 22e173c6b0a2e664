"""`thedit.kernels.blur` for tensors with their channels last, which cuDNN would transpose there and back."""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

PIXELS, CHANNELS = 16, 128
"""Pixels and channels of a block."""


def blur(x: Tensor) -> Tensor:
    """(B, C, 2H + 1, 2H + 1) -> (B, C, 2H, 2H), channels last."""
    return _Blur.apply(x)


class _Blur(torch.autograd.Function):
    """The filter is symmetric, so its gradient is the same filter with more padding."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _filter(x, padding=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return _filter(grad, padding=2)


def _filter(x: Tensor, padding: int) -> Tensor:
    x = x.contiguous(memory_format=torch.channels_last)
    batch, channels, rows, columns = x.shape
    shape = batch, channels, rows + 2 * padding - 3, columns + 2 * padding - 3
    out = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    pixels = batch * shape[2] * shape[3]
    block = min(CHANNELS, triton.next_power_of_2(channels))
    grid = (triton.cdiv(pixels, PIXELS), triton.cdiv(channels, block))
    _kernel[grid](x, out, pixels, rows, columns, shape[2], shape[3], channels, padding, PIXELS, block)
    return out


@triton.jit
def _kernel(
    x, out, pixels, rows, columns, out_rows, out_columns, C, padding, PIXELS: tl.constexpr, CHANNELS: tl.constexpr
):
    """out (B, out_rows, out_columns, C) of x (B, rows, columns, C)."""
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    inside = (pixel < pixels)[:, None] & (channel < C)[None, :]
    column = pixel % out_columns - padding
    row = pixel // out_columns % out_rows - padding
    start = pixel // (out_columns * out_rows) * rows
    total = tl.zeros((PIXELS, CHANNELS), tl.float32)
    for i in tl.static_range(4):
        for j in tl.static_range(4):
            weight = (3.0 if 0 < i and i < 3 else 1.0) * (3.0 if 0 < j and j < 3 else 1.0) / 16.0
            y, z = row + i, column + j
            valid = (y >= 0) & (y < rows) & (z >= 0) & (z < columns)
            offset = ((start + y) * columns + z) * C
            value = tl.load(x + offset[:, None] + channel[None, :], mask=inside & valid[:, None], other=0.0)
            total += weight * value.to(tl.float32)
    tl.store(out + (pixel * C)[:, None] + channel[None, :], total, mask=inside)
