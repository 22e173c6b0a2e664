"""`render` of `thedit.kernels.render`, fused: no sample leaves the chip.

A program owns a block of rays and walks along them one sample at a time, from the planes to the composited features;
the backward pass walks again instead of storing what the forward pass knew (the idea of Lightplane, Cao et al., 2024).
Planes are read with their channels last. With bfloat16 planes the decoder multiplies in TF32, otherwise in bfloat16
three times, which keeps 16 of float32's 24 bits; all sums are float32. Gradients of the planes are added atomically,
so their last bits vary from run to run.

In the comments P rays of a block, F plane channels, H hidden units, O features, S samples.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from thedit.kernels.render import HALF_SIDE, SMALLEST_WEIGHT, Decoder, Rendering
from thedit.kernels.texels_triton import add_features, read_features

RAYS_A_WARP = 16
WARPS = {torch.bfloat16: 4, torch.float32: 2}
"""Warps of a program; with more, the backward pass in float32 runs out of registers."""


@torch.compiler.disable
def render(
    planes: Tensor,
    decoder: Decoder,
    origins: Tensor,
    directions: Tensor,
    near: float,
    far: float,
    coarse: int,
    fine: int,
    noise: Tensor | None = None,
) -> Rendering:
    """Render planes (B, 3, F, R, R) along rays (B, M, 3); see `thedit.kernels.render.render`.

    The planes are read as bfloat16 if they are or if autocast is on.
    """
    low = planes.dtype == torch.bfloat16 or torch.is_autocast_enabled(planes.device.type)
    dtype = torch.bfloat16 if low else torch.float32
    texels = planes.detach().permute(0, 1, 3, 4, 2)  # (B, 3, R, R, F)
    texels = texels.to(dtype, memory_format=torch.contiguous_format).contiguous()
    rays = origins.shape[:2]
    origins = origins.reshape(-1, 3).contiguous()
    directions = directions.reshape(-1, 3).contiguous()
    weights = [weight.float().contiguous() for weight in decoder]
    noise = None if noise is None else noise.expand(*rays, coarse + fine).reshape(-1, coarse + fine).contiguous()
    distances = _sample_distances(texels, weights, origins, directions, near, far, coarse, fine, noise)
    features, depth, opacity = _Composite.apply(planes, texels, *weights, origins, directions, distances, far)
    return Rendering(features.unflatten(0, rays), depth.unflatten(0, rays), opacity.unflatten(0, rays))


def _sample_distances(
    texels: Tensor,
    weights: list[Tensor],
    origins: Tensor,
    directions: Tensor,
    near: float,
    far: float,
    coarse: int,
    fine: int,
    noise: Tensor | None,
) -> Tensor:
    """Ascending distances (B * M, coarse + fine + 1); the last is where the ray leaves."""
    rays, samples = len(origins), coarse + fine
    shape = _Shape(texels, weights, rays)
    ends = origins.new_empty(rays, 2)
    contributions = origins.new_empty(rays, coarse)
    distances = origins.new_empty(rays, samples + 1)
    jitter = origins if noise is None else noise
    _probe[shape.grid](
        texels, *(weight.detach() for weight in weights), origins, directions, jitter, ends, contributions,
        rays, near, far, samples, coarse, HALF_SIDE, noise is not None, **shape.sizes,
    )  # fmt: skip
    _resample[shape.grid](
        jitter, ends, contributions, distances, rays, SMALLEST_WEIGHT, coarse, fine, noise is not None, shape.block
    )
    return distances


class _Shape:
    """Launch grid and constants that every kernel over rays takes."""

    def __init__(self, texels: Tensor, weights: list[Tensor], rays: int):
        batch, _, side, _, channels = texels.shape
        hidden, outputs = weights[0].shape[0], weights[2].shape[0] - 1
        warps = WARPS[texels.dtype]
        self.block = RAYS_A_WARP * warps
        self.grid = (triton.cdiv(rays, self.block),)
        exact = "bf16x3" if texels.is_cuda else "ieee"  # three bfloat16 products; Triton's interpreter lacks them
        self.sizes = {
            "RAYS": rays // batch,
            "R": side,
            "F": channels,
            "H": hidden,
            "O": outputs,
            "F2": _padded(channels),
            "H2": _padded(hidden),
            "O2": _padded(outputs),
            "BLOCK": self.block,
            "PRECISION": "tf32" if texels.dtype == torch.bfloat16 else exact,
            "num_stages": 1,
            "num_warps": warps,
        }


def _padded(count: int) -> int:
    """Tensor cores multiply blocks of a power of two of at least 16."""
    return max(16, triton.next_power_of_2(count))


class _Composite(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        planes: Tensor,
        texels: Tensor,
        weight1: Tensor,
        bias1: Tensor,
        weight2: Tensor,
        bias2: Tensor,
        origins: Tensor,
        directions: Tensor,
        distances: Tensor,
        far: float,
    ) -> tuple[Tensor, Tensor, Tensor]:
        weights = [weight1, bias1, weight2, bias2]
        rays, samples = distances.shape[0], distances.shape[1] - 1
        shape = _Shape(texels, weights, rays)
        features = origins.new_empty(rays, weight2.shape[0] - 1)
        depth, opacity = origins.new_empty(rays), origins.new_empty(rays)
        _forward[shape.grid](
            texels, *weights, origins, directions, distances, features, depth, opacity,
            rays, far, samples, HALF_SIDE, **shape.sizes,
        )  # fmt: skip
        ctx.save_for_backward(texels, *weights, origins, directions, distances, features, depth, opacity)
        ctx.far, ctx.dtype = far, planes.dtype
        return features, depth, opacity

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        texels, *weights, origins, directions, distances, features, depth, opacity = ctx.saved_tensors
        rays, samples = distances.shape[0], distances.shape[1] - 1
        shape = _Shape(texels, weights, rays)
        grad_features, grad_depth, grad_opacity = (grad.contiguous() for grad in grads)
        grad_planes = torch.zeros(texels.shape, device=texels.device)
        parts = [weight.new_empty(*shape.grid, *weight.shape) for weight in weights]  # one of each block
        _backward[shape.grid](
            texels, *weights, origins, directions, distances, features, depth, opacity,
            grad_features, grad_depth, grad_opacity, grad_planes, *parts,
            rays, ctx.far, samples, HALF_SIDE, **shape.sizes,
        )  # fmt: skip
        grad_planes = grad_planes.to(ctx.dtype).permute(0, 1, 4, 2, 3)
        return grad_planes, None, *(part.sum(0) for part in parts), None, None, None, None


@triton.jit
def _softplus(x):
    return tl.maximum(x, 0.0) + tl.log(1.0 + tl.exp(-tl.abs(x)))


@triton.jit
def _load_matrix(pointer, ROWS: tl.constexpr, COLUMNS: tl.constexpr, ROWS2: tl.constexpr, COLUMNS2: tl.constexpr):
    """A matrix (ROWS, COLUMNS) padded with zeros."""
    row, column = tl.arange(0, ROWS2)[:, None], tl.arange(0, COLUMNS2)[None, :]
    return tl.load(pointer + row * COLUMNS + column, mask=(row < ROWS) & (column < COLUMNS), other=0.0)


@triton.jit
def _load_vector(pointer, COUNT: tl.constexpr, COUNT2: tl.constexpr):
    index = tl.arange(0, COUNT2)
    return tl.load(pointer + index, mask=index < COUNT, other=0.0)


@triton.jit
def _clip(origin, direction, half):
    """Distances at which one axis enters and leaves the box."""
    direction = tl.where(tl.abs(direction) < 1e-9, 1e-9, direction)
    first, second = (-half - origin) / direction, (half - origin) / direction
    return tl.minimum(first, second), tl.maximum(first, second)


@triton.jit
def _probe(
    planes, weight1, bias1, weight2, bias2, origins, directions, noise, ends, contributions,
    rays, near, far, samples, coarse, half, NOISE: tl.constexpr,
    RAYS, R: tl.constexpr, F: tl.constexpr, H: tl.constexpr, O: tl.constexpr,
    F2: tl.constexpr, H2: tl.constexpr, O2: tl.constexpr, BLOCK: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Ends of the rays in the box (rays, 2), and what each stratified sample contributes (rays, coarse)."""
    ray = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = ray < rays
    ox = tl.load(origins + ray * 3, mask=mask, other=0.0)
    oy = tl.load(origins + ray * 3 + 1, mask=mask, other=0.0)
    oz = tl.load(origins + ray * 3 + 2, mask=mask, other=0.0)
    dx = tl.load(directions + ray * 3, mask=mask, other=1.0)
    dy = tl.load(directions + ray * 3 + 1, mask=mask, other=1.0)
    dz = tl.load(directions + ray * 3 + 2, mask=mask, other=1.0)
    x0, x1 = _clip(ox, dx, half)
    y0, y1 = _clip(oy, dy, half)
    z0, z1 = _clip(oz, dz, half)
    enter = tl.minimum(tl.maximum(tl.maximum(tl.maximum(x0, y0), z0), near), far)
    leave = tl.minimum(tl.maximum(tl.minimum(tl.minimum(x1, y1), z1), near), far)
    leave = tl.maximum(enter, leave)
    tl.store(ends + ray * 2, enter, mask=mask)
    tl.store(ends + ray * 2 + 1, leave, mask=mask)
    width = (leave - enter) / coarse
    first = tl.trans(_load_matrix(weight1, H, F, H2, F2))  # (F, H)
    first_bias = _load_vector(bias1, H, H2)
    second = _load_vector(weight2, H, H2)  # the density's row
    second_bias = tl.load(bias2)
    base = ray // RAYS * (3 * R * R * F)
    before = tl.zeros((BLOCK,), tl.float32)
    for s in range(coarse):
        shift = 0.5
        if NOISE:
            shift = tl.load(noise + ray * samples + s, mask=mask, other=0.5)
        t = enter + width * (s + shift)
        x = read_features(planes, base, ox + t * dx, oy + t * dy, oz + t * dz, half, mask, R, F, F2)
        hidden = _softplus(tl.dot(x, first, input_precision=PRECISION) + first_bias[None, :])  # (P, H)
        thickness = _softplus(tl.sum(hidden * second[None, :], 1) + second_bias) * width
        weight = tl.exp(-before) * (1.0 - tl.exp(-thickness))
        before += thickness
        tl.store(contributions + ray * coarse + s, weight, mask=mask)


@triton.jit
def _resample(
    noise, ends, contributions, distances, rays, smallest, coarse, fine, NOISE: tl.constexpr, BLOCK: tl.constexpr
):
    """Merge stratified and importance samples (rays, coarse + fine + 1) in one walk over intervals and samples.

    At each step a ray either places its next importance sample, if that lies in the current interval, or places the
    interval's stratified sample and goes on to the next interval.
    """
    ray = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = ray < rays
    samples = coarse + fine
    enter = tl.load(ends + ray * 2, mask=mask, other=0.0)
    leave = tl.load(ends + ray * 2 + 1, mask=mask, other=0.0)
    width = (leave - enter) / coarse
    contributions += ray * coarse
    noise += ray * samples
    distances += ray * (samples + 1)
    total = tl.zeros((BLOCK,), tl.float32)
    for k in range(coarse):
        total += tl.load(contributions + k, mask=mask, other=0.0) + smallest
    scale = total / tl.maximum(fine, 1)
    interval = tl.zeros((BLOCK,), tl.int32)
    placed = tl.zeros((BLOCK,), tl.int32)  # importance samples so far
    earlier = tl.zeros((BLOCK,), tl.int32)  # those before the interval's stratified sample
    start = tl.zeros((BLOCK,), tl.float32)  # weight of the intervals before this one
    for _ in range(samples):
        weight = tl.load(contributions + interval, mask=mask & (interval < coarse), other=0.0) + smallest
        shift, target = tl.full((BLOCK,), 0.5, tl.float32), tl.full((BLOCK,), 0.5, tl.float32)
        if NOISE:
            shift = tl.load(noise + interval, mask=mask & (interval < coarse), other=0.5)
            target = tl.load(noise + coarse + placed, mask=mask & (placed < fine), other=0.5)
        target = (placed + target) * scale
        here = (placed < fine) & ((target < start + weight) | (interval >= coarse - 1))
        stratified = enter + width * (interval + shift)
        drawn = enter + width * (interval + tl.minimum(tl.maximum((target - start) / weight, 0.0), 1.0))
        before = drawn <= stratified
        rank = tl.where(here, placed + interval + tl.where(before, 0, 1), interval + earlier)
        tl.store(distances + rank, tl.where(here, drawn, stratified), mask=mask & (here | (interval < coarse)))
        earlier = tl.where(here, earlier + tl.where(before, 1, 0), placed)
        start = tl.where(here, start, start + weight)
        interval = tl.where(here, interval, interval + 1)
        placed = tl.where(here, placed + 1, placed)
    tl.store(distances + samples, leave, mask=mask)


@triton.jit
def _forward(
    planes, weight1, bias1, weight2, bias2, origins, directions, distances, features, depth, opacity,
    rays, far, samples, half,
    RAYS, R: tl.constexpr, F: tl.constexpr, H: tl.constexpr, O: tl.constexpr,
    F2: tl.constexpr, H2: tl.constexpr, O2: tl.constexpr, BLOCK: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Composite the samples at distances (rays, S + 1)."""
    ray = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = ray < rays
    ox = tl.load(origins + ray * 3, mask=mask, other=0.0)
    oy = tl.load(origins + ray * 3 + 1, mask=mask, other=0.0)
    oz = tl.load(origins + ray * 3 + 2, mask=mask, other=0.0)
    dx = tl.load(directions + ray * 3, mask=mask, other=1.0)
    dy = tl.load(directions + ray * 3 + 1, mask=mask, other=1.0)
    dz = tl.load(directions + ray * 3 + 2, mask=mask, other=1.0)
    first = tl.trans(_load_matrix(weight1, H, F, H2, F2))  # (F, H)
    first_bias = _load_vector(bias1, H, H2)
    second = _load_vector(weight2, H, H2)
    second_bias = tl.load(bias2)
    colour = tl.trans(_load_matrix(weight2 + H, O, H, O2, H2))  # (H, O)
    colour_bias = _load_vector(bias2 + 1, O, O2)
    base = ray // RAYS * (3 * R * R * F)
    row = distances + ray * (samples + 1)
    t = tl.load(row, mask=mask, other=0.0)
    before = tl.zeros((BLOCK,), tl.float32)
    total_depth = tl.zeros((BLOCK,), tl.float32)
    total_opacity = tl.zeros((BLOCK,), tl.float32)
    total = tl.zeros((BLOCK, O2), tl.float32)
    for s in range(samples):
        following = tl.load(row + s + 1, mask=mask, other=0.0)
        x = read_features(planes, base, ox + t * dx, oy + t * dy, oz + t * dz, half, mask, R, F, F2)
        hidden = _softplus(tl.dot(x, first, input_precision=PRECISION) + first_bias[None, :])  # (P, H)
        thickness = _softplus(tl.sum(hidden * second[None, :], 1) + second_bias) * (following - t)
        weight = tl.exp(-before) * (1.0 - tl.exp(-thickness))  # (P,)
        before += thickness
        decoded = (
            tl.sigmoid(tl.dot(hidden, colour, input_precision=PRECISION) + colour_bias[None, :]) * 1.002 - 0.001
        )  # (P, O)
        total += weight[:, None] * decoded
        total_depth += weight * t
        total_opacity += weight
        t = following
    output = tl.arange(0, O2)
    tl.store(features + ray[:, None] * O + output[None, :], total, mask=mask[:, None] & (output < O)[None, :])
    tl.store(depth + ray, total_depth + (1.0 - total_opacity) * far, mask=mask)
    tl.store(opacity + ray, total_opacity, mask=mask)


@triton.jit
def _backward(
    planes, weight1, bias1, weight2, bias2, origins, directions, distances, features, depth, opacity,
    grad_features, grad_depth, grad_opacity, grad_planes, grad_weight1, grad_bias1, grad_weight2, grad_bias2,
    rays, far, samples, half,
    RAYS, R: tl.constexpr, F: tl.constexpr, H: tl.constexpr, O: tl.constexpr,
    F2: tl.constexpr, H2: tl.constexpr, O2: tl.constexpr, BLOCK: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Gradients of `_forward`: of the planes, added; of the decoder, one part a block.

    With v_i what the loss gains when sample i weighs more, d loss / d thickness_i = T_(i+1) v_i - sum_(j>i) w_j v_j,
    and the last sum is the total, known from the forward pass, less a running sum.
    """
    ray = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = ray < rays
    ox = tl.load(origins + ray * 3, mask=mask, other=0.0)
    oy = tl.load(origins + ray * 3 + 1, mask=mask, other=0.0)
    oz = tl.load(origins + ray * 3 + 2, mask=mask, other=0.0)
    dx = tl.load(directions + ray * 3, mask=mask, other=1.0)
    dy = tl.load(directions + ray * 3 + 1, mask=mask, other=1.0)
    dz = tl.load(directions + ray * 3 + 2, mask=mask, other=1.0)
    first = _load_matrix(weight1, H, F, H2, F2)  # (H, F)
    first_bias = _load_vector(bias1, H, H2)
    second = _load_vector(weight2, H, H2)
    second_bias = tl.load(bias2)
    colour = _load_matrix(weight2 + H, O, H, O2, H2)  # (O, H)
    colour_bias = _load_vector(bias2 + 1, O, O2)
    output = tl.arange(0, O2)
    place = ray[:, None] * O + output[None, :]
    outputs = mask[:, None] & (output < O)[None, :]
    gradient = tl.load(grad_features + place, mask=outputs, other=0.0)  # (P, O)
    gradient_depth = tl.load(grad_depth + ray, mask=mask, other=0.0)
    gradient_opacity = tl.load(grad_opacity + ray, mask=mask, other=0.0)
    remaining = tl.sum(gradient * tl.load(features + place, mask=outputs, other=0.0), 1)
    remaining += gradient_opacity * tl.load(opacity + ray, mask=mask, other=0.0)
    remaining += gradient_depth * (tl.load(depth + ray, mask=mask, other=0.0) - far)
    sum_first = tl.zeros((H2, F2), tl.float32)
    sum_first_bias = tl.zeros((H2,), tl.float32)
    sum_second = tl.zeros((H2,), tl.float32)
    sum_second_bias = tl.zeros((BLOCK,), tl.float32)
    sum_colour = tl.zeros((O2, H2), tl.float32)
    sum_colour_bias = tl.zeros((O2,), tl.float32)
    base = ray // RAYS * (3 * R * R * F)
    row = distances + ray * (samples + 1)
    t = tl.load(row, mask=mask, other=0.0)
    before = tl.zeros((BLOCK,), tl.float32)
    for s in range(samples):
        following = tl.load(row + s + 1, mask=mask, other=0.0)
        px, py, pz = ox + t * dx, oy + t * dy, oz + t * dz
        x = read_features(planes, base, px, py, pz, half, mask, R, F, F2)
        linear = tl.dot(x, tl.trans(first), input_precision=PRECISION) + first_bias[None, :]  # (P, H)
        hidden = _softplus(linear)
        raw = tl.sum(hidden * second[None, :], 1) + second_bias
        thickness = _softplus(raw) * (following - t)
        transmitted = tl.exp(-before)
        before += thickness
        weight = transmitted * (1.0 - tl.exp(-thickness))
        sigmoid = tl.sigmoid(
            tl.dot(hidden, tl.trans(colour), input_precision=PRECISION) + colour_bias[None, :]
        )  # (P, O)
        value = tl.sum(gradient * (sigmoid * 1.002 - 0.001), 1) + gradient_opacity + gradient_depth * (t - far)
        remaining -= weight * value
        grad_raw = (tl.exp(-before) * value - remaining) * (following - t) * tl.sigmoid(raw)  # (P,)
        grad_logit = gradient * weight[:, None] * (1.002 * sigmoid * (1.0 - sigmoid))  # (P, O)
        grad_hidden = tl.dot(grad_logit, colour, input_precision=PRECISION) + grad_raw[:, None] * second[None, :]
        grad_linear = grad_hidden * tl.sigmoid(linear)  # (P, H)
        sum_colour += tl.dot(tl.trans(grad_logit), hidden, input_precision=PRECISION)
        sum_colour_bias += tl.sum(grad_logit, 0)
        sum_second += tl.sum(grad_raw[:, None] * hidden, 0)
        sum_second_bias += grad_raw
        sum_first += tl.dot(tl.trans(grad_linear), x, input_precision=PRECISION)
        sum_first_bias += tl.sum(grad_linear, 0)
        add_features(
            grad_planes, base, px, py, pz, half, mask, tl.dot(grad_linear, first, input_precision=PRECISION), R, F, F2
        )
        t = following
    block = tl.program_id(0)
    hidden_index, channel = tl.arange(0, H2), tl.arange(0, F2)
    pointer = grad_weight1 + block * (H * F) + hidden_index[:, None] * F + channel[None, :]
    tl.store(pointer, sum_first, mask=(hidden_index < H)[:, None] & (channel < F)[None, :])
    tl.store(grad_bias1 + block * H + hidden_index, sum_first_bias, mask=hidden_index < H)
    pointer = grad_weight2 + block * ((O + 1) * H)
    tl.store(pointer + hidden_index, sum_second, mask=hidden_index < H)
    pointer += H + output[:, None] * H + hidden_index[None, :]
    tl.store(pointer, sum_colour, mask=(output < O)[:, None] & (hidden_index < H)[None, :])
    tl.store(grad_bias2 + block * (O + 1), tl.sum(sum_second_bias, 0))
    tl.store(grad_bias2 + block * (O + 1) + 1 + output, sum_colour_bias, mask=output < O)
