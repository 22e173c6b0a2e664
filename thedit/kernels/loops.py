"""Loops that numba compiles for a processor, once a machine: what would be many passes over memory in torch is one.

All arrays are contiguous, the results float32. Shapes: B batch, P points, C channels, H x W texels, R side of a plane,
F its channels.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import float32, int32, njit
from numba.extending import intrinsic


def _compiled(function: Callable[..., None]) -> Any:
    """``function`` as machine code that does not hold Python's lock, kept on disk where that can be written to."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # nowhere to keep it
        return njit(**options)(function)


@intrinsic
def _power_of_two(typing: Any, exponent: Any) -> Any:
    """2 to the power of an int32 in [-126, 127], as float32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = builder.shl(builder.add(arguments[0], ir.Constant(ir.IntType(32), 127)), ir.Constant(ir.IntType(32), 23))
        return builder.bitcast(bits, ir.FloatType())

    return float32(int32), generate


def _polynomial(function: Callable[[np.ndarray], np.ndarray], degree: int, low: float, high: float) -> list[np.float32]:
    """Coefficients, lowest first, of the polynomial through ``function`` at Chebyshev's points."""
    fitted = np.polynomial.Chebyshev.interpolate(function, degree, [low, high])
    return [np.float32(value) for value in fitted.convert(kind=np.polynomial.Polynomial).coef]


_L0, _L1, _L2, _L3, _L4, _L5, _L6, _L7, _L8 = _polynomial(lambda t: np.log1p(t) / t, 8, 1e-9, 1)
_E0, _E1, _E2, _E3, _E4, _E5 = _polynomial(np.exp2, 5, -0.5, 0.5)
_LOG2_E = np.float32(np.log2(np.e))


@njit(inline="always")
def _centred(place: float, side: int, border: bool) -> float:
    """A place in [-0.5, 0.5] in texels from the first one's centre; with ``border`` between the outermost ones'."""
    x = place * side + (side - 1) / 2
    if border and x < 0:
        x = 0.0
    elif border and x > side - 1:
        x = side - 1.0
    return x


@njit(inline="always")
def _texel(x: float, side: int) -> int:
    """The first of the two texels beside x; one of the picture's, whatever x is."""
    if x >= side - 1:
        return side - 2
    return int(x) if x > 0 else 0


@njit(inline="always")
def _share(beyond: float) -> float:
    """What a texel contributes that is so many texels away; no number of none."""
    share = 1 - abs(beyond)
    return 0.0 if share < 0 else share


@njit(inline="always")
def _blend(
    first: np.ndarray,
    second: np.ndarray,
    third: np.ndarray,
    fourth: np.ndarray,
    right: float,
    below: float,
    out: np.ndarray,
    add: bool,
) -> None:
    """Two texels (C,) and the two under them, weighed by how far beyond the first a place is."""
    a, b = _share(right), _share(1 - right)
    c, d = _share(below), _share(1 - below)
    ac, bc, ad, bd = float32(a * c), float32(b * c), float32(a * d), float32(b * d)
    if add:
        for n in range(len(out)):
            out[n] += ac * first[n] + bc * second[n] + ad * third[n] + bd * fourth[n]
    else:
        for n in range(len(out)):
            out[n] = ac * first[n] + bc * second[n] + ad * third[n] + bd * fourth[n]


@njit(inline="always")
def _softplus(value: np.float32) -> np.float32:
    """log(1 + exp(value)) to 5e-7."""
    power = max(-abs(value) * _LOG2_E, float32(-126))
    whole = np.floor(power + float32(0.5))
    r = power - whole
    t = ((((_E5 * r + _E4) * r + _E3) * r + _E2) * r + _E1) * r + _E0
    t *= _power_of_two(int32(whole))  # type: ignore[call-arg]  # exp(-|x|)
    high = (((_L8 * t + _L7) * t + _L6) * t + _L5) * t + _L4
    return max(value, float32(0)) + t * ((((high * t + _L3) * t + _L2) * t + _L1) * t + _L0)


@_compiled
def softplus(x: np.ndarray, bias: np.ndarray, start: int, stop: int) -> None:
    """Replace x (P, C) by log(1 + exp(x + bias)), bias (C,), rows ``start`` to ``stop``."""
    for p in range(start, stop):
        row = x[p]
        for c in range(len(row)):
            row[c] = _softplus(row[c] + bias[c])


@_compiled
def softplus_into(x: np.ndarray, bias: np.ndarray, out: np.ndarray, start: int, stop: int) -> None:
    """As `softplus`, to the first C channels of ``out`` (P, ...); of one array, loops would not be vectorised."""
    for p in range(start, stop):
        given, row = x[p], out[p]
        for c in range(len(given)):
            row[c] = _softplus(given[c] + bias[c])


@_compiled
def pictures(
    texels: np.ndarray, places: np.ndarray, border: bool, first: int, out: np.ndarray, start: int, stop: int
) -> None:
    """Bilinear samples of texels (B, H, W, C) at places (B, P, 2) in [-1, 1], points ``start`` to ``stop``.

    They become the C channels of ``out`` (B, P, ...) from ``first`` on. Outside of a picture its ``border`` goes on, or
    there are zeros.
    """
    height, width, channels = texels.shape[1:]
    for b in range(len(texels)):
        for p in range(start, stop):
            x = _centred(places[b, p, 0] / 2, width, border)
            y = _centred(places[b, p, 1] / 2, height, border)
            left, above = _texel(x, width), _texel(y, height)
            upper, right = texels[b, above, left], texels[b, above, left + 1]
            lower, last = texels[b, above + 1, left], texels[b, above + 1, left + 1]
            _blend(upper, right, lower, last, x - left, y - above, out[b, p, first : first + channels], False)


@_compiled
def planes(texels: np.ndarray, axes: np.ndarray, points: np.ndarray, out: np.ndarray, start: int, stop: int) -> None:
    """Mean samples (B, P, F) of texels (B, R, R, 3, F) at points (B, P, 3) of [-0.5, 0.5]^3, ``start`` to ``stop``.

    ``axes`` (3, 2) of a plane: those along its columns and its rows. Its border goes on outside of it.
    """
    side = texels.shape[1]
    for b in range(len(texels)):
        for p in range(start, stop):
            for k in range(3):
                x = _centred(points[b, p, axes[k, 0]], side, True)
                y = _centred(points[b, p, axes[k, 1]], side, True)
                left, above = _texel(x, side), _texel(y, side)
                first, second = texels[b, above, left, k], texels[b, above, left + 1, k]
                third, fourth = texels[b, above + 1, left, k], texels[b, above + 1, left + 1, k]
                _blend(first, second, third, fourth, x - left, y - above, out[b, p], k > 0)
            for c in range(out.shape[2]):
                out[b, p, c] *= float32(1 / 3)


@_compiled
def finish(
    x: np.ndarray, factor: np.ndarray, bias: np.ndarray, slope: np.float32, added: np.ndarray, start: int, stop: int
) -> None:
    """Replace rows (P, C) by a leaky ReLU of factor (B, C) times them plus bias (C,), and what is ``added`` to that.

    ``added`` is (P, C) or empty. The rows of a picture lie side by side, P / B each.
    """
    each = len(x) // len(factor)
    for p in range(start, stop):
        row, scale = x[p], factor[p // each]
        for c in range(len(row)):
            value = row[c] * scale[c] + bias[c]
            row[c] = max(value, float32(0)) + slope * min(value, float32(0))
        if len(added):
            more = added[p]
            for c in range(len(row)):
                row[c] += more[c]


@_compiled
def blur(x: np.ndarray, out: np.ndarray, start: int, stop: int) -> None:
    """The filter [1, 3, 3, 1] / 4 on both axes of x (B, H + 1, W + 1, C) -> (B, H, W, C), rows of B * H from ``start``.

    Beyond the edges there are zeros.
    """
    height, width, channels = out.shape[1:]
    line = np.zeros((width + 3, channels), np.float32)
    for n in range(start, stop):
        b, y = n // height, n % height
        line[1 : width + 2] = 0
        for k in range(max(0, 1 - y), min(4, height + 2 - y)):
            tap = float32(0.75) if k in (1, 2) else float32(0.25)
            for i in range(width + 1):
                row, target = x[b, y + k - 1, i], line[i + 1]
                for c in range(channels):
                    target[c] += tap * row[c]
        for i in range(width):
            first, second, third, fourth, row = line[i], line[i + 1], line[i + 2], line[i + 3], out[b, y, i]
            for c in range(channels):
                row[c] = float32(0.25) * (first[c] + fourth[c]) + float32(0.75) * (second[c] + third[c])
