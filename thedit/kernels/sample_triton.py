"""Bilinear samples of pictures and tri-planes, with their channels last: a texel is one read, and one atomic addition.

torch's grid_sample walks over the channels of each place, every one of them in another part of memory, in both
directions. Here neighbouring threads own neighbouring channels. Gradients of pictures and planes are added atomically,
so their last bits vary from run to run. Everything is float32. The operations are torch's own to torch.compile, which
takes them as they are.

In the comments B pictures, P places, C channels, H rows, W columns of a picture, R side of a plane.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from thedit.kernels.render import HALF_SIDE
from thedit.kernels.sample import Outside
from thedit.kernels.texels_triton import add_features, add_texel, read_features, read_texel

ELEMENTS = 1024
"""Places times channels of a program."""


def sample(picture: Tensor, place: Tensor, outside: Outside) -> Tensor:
    """Values (B, P, C) of pictures (B, C, H, W) at places (B, P, 2); see `thedit.kernels.sample.sample`."""
    return _sample(picture.float(), place.float(), outside == "border")


def sample_planes(planes: Tensor, points: Tensor) -> Tensor:
    """Mean (B, P, C) of planes (B, 3, C, R, R) at world points (B, P, 3), which are constants."""
    return _sample_planes(planes.float(), points.float())


@torch.library.custom_op("thedit::sample", mutates_args=())
def _sample(picture: Tensor, place: Tensor, border: bool) -> Tensor:
    texels, place = _channels_last(picture), place.contiguous()
    out = _empty(picture, place, border)
    _forward[_grid(out)](texels, place, out, *_sizes(picture, place), BORDER=border, **_blocks(out))
    return out


@_sample.register_fake
def _empty(picture: Tensor, place: Tensor, border: bool) -> Tensor:
    return place.new_empty(*place.shape[:2], picture.shape[1])


@torch.library.custom_op("thedit::sample_backward", mutates_args=())
def _gradients(
    grad: Tensor, picture: Tensor, place: Tensor, border: bool, learned: bool, moved: bool
) -> tuple[Tensor, Tensor]:
    """Gradients of pictures (if ``learned``) and of places (if ``moved``), otherwise nothing."""
    texels, place, grad = _channels_last(picture), place.contiguous(), grad.contiguous()
    grad_texels = torch.zeros_like(texels) if learned else texels.new_empty(0)
    grad_place = torch.empty_like(place) if moved else place.new_empty(0)
    _backward[_grid(grad)](
        texels, place, grad, grad_texels, grad_place, *_sizes(picture, place),
        BORDER=border, LEARNED=learned, MOVED=moved, **_blocks(grad),
    )  # fmt: skip
    return grad_texels.permute(0, 3, 1, 2) if learned else grad_texels, grad_place


@_gradients.register_fake
def _empty_gradients(
    grad: Tensor, picture: Tensor, place: Tensor, border: bool, learned: bool, moved: bool
) -> tuple[Tensor, Tensor]:
    like = picture.permute(0, 2, 3, 1)
    texels = like.new_empty(like.shape).permute(0, 3, 1, 2) if learned else picture.new_empty(0)
    return texels, place.new_empty(place.shape) if moved else place.new_empty(0)


def _remember(ctx: Any, inputs: tuple[Tensor, Tensor, bool], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:2])
    ctx.border = inputs[2]


def _differentiate(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
    learned, moved = ctx.needs_input_grad[:2]
    of_picture, of_place = _gradients(grad, *ctx.saved_tensors, ctx.border, learned, moved)
    return of_picture if learned else None, of_place if moved else None, None


_sample.register_autograd(_differentiate, setup_context=_remember)


@torch.library.custom_op("thedit::sample_planes", mutates_args=())
def _sample_planes(planes: Tensor, points: Tensor) -> Tensor:
    texels, points = _channels_last(planes.flatten(0, 1)), points.contiguous()
    out = _empty_planes(planes, points)
    _forward_planes[_grid(out)](texels, points, out, points.shape[1], HALF_SIDE, R=planes.shape[-1], **_blocks(out))
    return out


@_sample_planes.register_fake
def _empty_planes(planes: Tensor, points: Tensor) -> Tensor:
    return points.new_empty(*points.shape[:2], planes.shape[2])


@torch.library.custom_op("thedit::sample_planes_backward", mutates_args=())
def _gradient_of_planes(grad: Tensor, points: Tensor, side: int) -> Tensor:
    grad, points = grad.contiguous(), points.contiguous()
    texels = grad.new_zeros(len(points), 3, side, side, grad.shape[-1])
    _backward_planes[_grid(grad)](points, grad, texels, points.shape[1], HALF_SIDE, R=side, **_blocks(grad))
    return texels.permute(0, 1, 4, 2, 3)


@_gradient_of_planes.register_fake
def _empty_gradient_of_planes(grad: Tensor, points: Tensor, side: int) -> Tensor:
    return grad.new_empty(len(points), 3, side, side, grad.shape[-1]).permute(0, 1, 4, 2, 3)


def _remember_points(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
    ctx.save_for_backward(inputs[1])
    ctx.side = inputs[0].shape[-1]


def _differentiate_planes(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
    return _gradient_of_planes(grad, *ctx.saved_tensors, ctx.side), None


_sample_planes.register_autograd(_differentiate_planes, setup_context=_remember_points)


def _channels_last(picture: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H, W, C), contiguous."""
    return picture.permute(0, 2, 3, 1).contiguous()


def _sizes(picture: Tensor, place: Tensor) -> tuple[int, int, int]:
    return place.shape[1], *picture.shape[2:]


def _blocks(values: Tensor) -> dict[str, int]:
    """Channels, a power of two of at least as many, and places of a program over values (B, P, C)."""
    channels = values.shape[-1]
    padded = triton.next_power_of_2(channels)
    return {"C": channels, "C2": padded, "BLOCK": max(ELEMENTS // padded, 16)}


def _grid(values: Tensor) -> tuple[int, int]:
    return triton.cdiv(values.shape[1], _blocks(values)["BLOCK"]), len(values)


@triton.jit
def _split(at, count, BORDER: tl.constexpr):
    """The texel before coordinates (P,), how far beyond it they lie, and whether they lie between two texels."""
    last = count - 1.0
    x = (at + 1.0) * (0.5 * count) - 0.5
    between = (x > 0.0) & (x < last)
    if BORDER:
        x = tl.minimum(tl.maximum(x, 0.0), last)
    else:  # from two texels outside on there is nothing but zeros
        x = tl.minimum(tl.maximum(x, -2.0), last + 2.0)
    first = tl.floor(x)
    return first.to(tl.int32), x - first, between


@triton.jit
def _corner(row, column, mask, channel, H, W, C: tl.constexpr, BORDER: tl.constexpr):
    """Offsets (P,) of texels, and which of their channels (P, C2) there are."""
    if BORDER:
        row, column = tl.minimum(row, H - 1), tl.minimum(column, W - 1)
    else:
        mask = mask & (row >= 0) & (row < H) & (column >= 0) & (column < W)
    return (row * W + column) * C, mask[:, None] & (channel < C)[None, :]


@triton.jit
def _forward(texels, place, out, P, H, W, C: tl.constexpr, BORDER: tl.constexpr, C2: tl.constexpr, BLOCK: tl.constexpr):
    """out (B, P, C) of texels (B, H, W, C) at place (B, P, 2)."""
    batch = tl.program_id(1).to(tl.int64)
    number = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    channel = tl.arange(0, C2)
    mask = number < P
    texels += batch * H * W * C
    place += batch * P * 2
    column, right, _ = _split(tl.load(place + number * 2, mask=mask, other=0.0), W, BORDER)
    row, down, _ = _split(tl.load(place + number * 2 + 1, mask=mask, other=0.0), H, BORDER)
    total = tl.zeros((BLOCK, C2), tl.float32)
    for i in tl.static_range(2):
        for j in tl.static_range(2):
            share = (down if i else 1.0 - down) * (right if j else 1.0 - right)
            offset, inside = _corner(row + i, column + j, mask, channel, H, W, C, BORDER)
            total += share[:, None] * read_texel(texels, offset, channel, inside)
    out += batch * P * C
    tl.store(out + (number * C)[:, None] + channel[None, :], total, mask=mask[:, None] & (channel < C)[None, :])


@triton.jit
def _backward(
    texels, place, grad, grad_texels, grad_place, P, H, W, C: tl.constexpr, BORDER: tl.constexpr,
    LEARNED: tl.constexpr, MOVED: tl.constexpr, C2: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Gradients of `_forward`: of texels, added; of places."""
    batch = tl.program_id(1).to(tl.int64)
    number = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    channel = tl.arange(0, C2)
    mask = number < P
    place += batch * P * 2
    column, right, across = _split(tl.load(place + number * 2, mask=mask, other=0.0), W, BORDER)
    row, down, along = _split(tl.load(place + number * 2 + 1, mask=mask, other=0.0), H, BORDER)
    grad += batch * P * C
    given = mask[:, None] & (channel < C)[None, :]
    gradient = tl.load(grad + (number * C)[:, None] + channel[None, :], mask=given, other=0.0)
    first = batch * H * W * C
    of_column, of_row = tl.zeros((BLOCK,), tl.float32), tl.zeros((BLOCK,), tl.float32)
    for i in tl.static_range(2):
        for j in tl.static_range(2):
            vertical, horizontal = (down if i else 1.0 - down), (right if j else 1.0 - right)
            offset, inside = _corner(row + i, column + j, mask, channel, H, W, C, BORDER)
            if LEARNED:
                value = gradient * (vertical * horizontal)[:, None]
                add_texel(grad_texels + first, offset, channel, inside, value)
            if MOVED:
                product = tl.sum(gradient * read_texel(texels + first, offset, channel, inside), 1)
                of_column += product * vertical * (1.0 if j else -1.0)
                of_row += product * horizontal * (1.0 if i else -1.0)
    if MOVED:
        if BORDER:
            of_column, of_row = tl.where(across, of_column, 0.0), tl.where(along, of_row, 0.0)
        grad_place += batch * P * 2
        tl.store(grad_place + number * 2, of_column * (0.5 * W), mask=mask)
        tl.store(grad_place + number * 2 + 1, of_row * (0.5 * H), mask=mask)


@triton.jit
def _forward_planes(
    texels, points, out, P, half, R: tl.constexpr, C: tl.constexpr, C2: tl.constexpr, BLOCK: tl.constexpr
):
    """out (B, P, C) of texels (B, 3, R, R, C) at points (B, P, 3)."""
    batch = tl.program_id(1).to(tl.int64)
    number = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    channel = tl.arange(0, C2)
    mask = number < P
    x, y, z = _coordinates(points + batch * P * 3, number, mask)
    base = tl.zeros((BLOCK,), tl.int32)
    value = read_features(texels + batch * (3 * R * R * C), base, x, y, z, half, mask, R, C, C2)
    out += batch * P * C
    tl.store(out + (number * C)[:, None] + channel[None, :], value, mask=mask[:, None] & (channel < C)[None, :])


@triton.jit
def _backward_planes(
    points, grad, grad_texels, P, half, R: tl.constexpr, C: tl.constexpr, C2: tl.constexpr, BLOCK: tl.constexpr
):
    """Gradient of `_forward_planes`, added to that of the texels."""
    batch = tl.program_id(1).to(tl.int64)
    number = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    channel = tl.arange(0, C2)
    mask = number < P
    x, y, z = _coordinates(points + batch * P * 3, number, mask)
    grad += batch * P * C
    given = mask[:, None] & (channel < C)[None, :]
    value = tl.load(grad + (number * C)[:, None] + channel[None, :], mask=given, other=0.0)
    base = tl.zeros((BLOCK,), tl.int32)
    add_features(grad_texels + batch * (3 * R * R * C), base, x, y, z, half, mask, value, R, C, C2)


@triton.jit
def _coordinates(points, number, mask):
    x = tl.load(points + number * 3, mask=mask, other=0.0)
    y = tl.load(points + number * 3 + 1, mask=mask, other=0.0)
    z = tl.load(points + number * 3 + 2, mask=mask, other=0.0)
    return x, y, z
