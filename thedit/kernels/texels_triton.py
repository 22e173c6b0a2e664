"""Device functions on texels whose channels lie side by side: read and added to, at bilinear places of tri-planes."""

import triton
import triton.language as tl


@triton.jit
def bilinear(first, second, half, R: tl.constexpr):
    """Texels and weights of world coordinates (P,) on a plane's columns and rows."""
    column = tl.minimum(tl.maximum((first / half + 1.0) * (0.5 * R) - 0.5, 0.0), R - 1.0)
    row = tl.minimum(tl.maximum((second / half + 1.0) * (0.5 * R) - 0.5, 0.0), R - 1.0)
    column0, row0 = tl.floor(column).to(tl.int32), tl.floor(row).to(tl.int32)
    column1, row1 = tl.minimum(column0 + 1, R - 1), tl.minimum(row0 + 1, R - 1)
    return column0, column1, column - column0, row0, row1, row - row0


@triton.jit
def read_texel(planes, offset, channel, mask):
    """Channels (P, F) of one texel per ray."""
    return tl.load(planes + offset[:, None] + channel[None, :], mask=mask, other=0.0).to(tl.float32)


@triton.jit
def read_features(planes, base, x, y, z, half, mask, R: tl.constexpr, F: tl.constexpr, F2: tl.constexpr):
    """Mean (P, F) of the bilinear samples of the three planes at world points; ``base`` (P,) is a ray's first plane."""
    channel = tl.arange(0, F2)
    inside = mask[:, None] & (channel < F)[None, :]
    total = tl.zeros((x.shape[0], F2), tl.float32)
    for plane in tl.static_range(3):
        first, second = (y if plane == 2 else x), (y if plane == 0 else z)
        column0, column1, right, row0, row1, down = bilinear(first, second, half, R)
        start = base + plane * R * R * F
        upper, lower = start + row0 * (R * F), start + row1 * (R * F)
        total += read_texel(planes, upper + column0 * F, channel, inside) * ((1 - right) * (1 - down))[:, None]
        total += read_texel(planes, upper + column1 * F, channel, inside) * (right * (1 - down))[:, None]
        total += read_texel(planes, lower + column0 * F, channel, inside) * ((1 - right) * down)[:, None]
        total += read_texel(planes, lower + column1 * F, channel, inside) * (right * down)[:, None]
    return total * (1.0 / 3.0)


@triton.jit
def add_texel(planes, offset, channel, mask, value):
    """Add channels (P, F) to one texel per ray."""
    tl.atomic_add(planes + offset[:, None] + channel[None, :], value, mask=mask, sem="relaxed")


@triton.jit
def add_features(planes, base, x, y, z, half, mask, value, R: tl.constexpr, F: tl.constexpr, F2: tl.constexpr):
    """Add the gradient (P, F) of `read_features` to the gradient of the planes."""
    channel = tl.arange(0, F2)
    inside = mask[:, None] & (channel < F)[None, :]
    value = value * (1.0 / 3.0)
    for plane in tl.static_range(3):
        first, second = (y if plane == 2 else x), (y if plane == 0 else z)
        column0, column1, right, row0, row1, down = bilinear(first, second, half, R)
        start = base + plane * R * R * F
        upper, lower = start + row0 * (R * F), start + row1 * (R * F)
        add_texel(planes, upper + column0 * F, channel, inside, value * ((1 - right) * (1 - down))[:, None])
        add_texel(planes, upper + column1 * F, channel, inside, value * (right * (1 - down))[:, None])
        add_texel(planes, lower + column0 * F, channel, inside, value * ((1 - right) * down)[:, None])
        add_texel(planes, lower + column1 * F, channel, inside, value * (right * down)[:, None])
