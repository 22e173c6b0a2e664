"""`thedit.kernels.blur` for tensors with their channels last, which cuDNN would transpose there and back."""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

PIXELS, CHANNELS = 16, 128
"""Pixels and channels of a block."""


def blur(x: Tensor) -> Tensor:
    """(B, C, 2H + 1, 2H + 1) -> (B, C, 2H, 2H), channels last."""
    return _filter(x, 1)


@torch.library.custom_op("thedit::blur", mutates_args=())  # torch.compile takes it as it is
def _filter(x: Tensor, padding: int) -> Tensor:
    x = x.contiguous(memory_format=torch.channels_last)
    out = _empty(x, padding)
    batch, channels, rows, columns = out.shape
    pixels = batch * rows * columns
    block = min(CHANNELS, triton.next_power_of_2(channels))
    grid = (triton.cdiv(pixels, PIXELS), triton.cdiv(channels, block))
    _kernel[grid](x, out, pixels, x.shape[2], x.shape[3], rows, columns, channels, padding, PIXELS, block)
    return out


@_filter.register_fake
def _empty(x: Tensor, padding: int) -> Tensor:
    batch, channels, rows, columns = x.shape
    shape = batch, channels, rows + 2 * padding - 3, columns + 2 * padding - 3
    return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)


def _remember(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
    ctx.padding = inputs[1]


def _gradient(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
    """The filter is symmetric, so its gradient is the same filter with the padding that undoes the first."""
    return _filter(grad, 3 - ctx.padding), None


_filter.register_autograd(_gradient, setup_context=_remember)


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
