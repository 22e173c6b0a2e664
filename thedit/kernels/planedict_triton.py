"""`displace` and `combine` of `thedit.kernels.planedict`, fused: the bases are combined without being written.

One thread owns one plane position and keeps its small matrices in registers, so that every access to memory runs over
neighbouring positions. Fastest when w (U, V, C, N) is a view of a contiguous tensor (C, N, U, V); other layouts are
copied first. In the comments P = U * V, and tuples hold one value of each of a block's positions.

    G = W'W = R'R    M = R'^-1, lower triangular    Q = W M'    out = Q L = W K    K = M'L

The Gram matrix is summed and factorised in float64, where squaring the condition number does no harm; what is left is
the rounding of M, proportional to the condition number, so a position with small pivots is doubtful. With D the
gradient of out, the gradient of the QR factorisation (Walter and Lehmann, 2010) collapses to N x N matrices:
dL = M W'D and dW = D K' + W T, where T = M'(S + S')M and S is the lower triangle of -L dL' with half its diagonal.
Triangles are packed row by row.
"""

# ruff: noqa: RUF005 (Triton knows no starred expressions)
# mypy: disable-error-code="assignment"

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from thedit.kernels import planedict

BLOCK = 128
WARPS = BLOCK // 32
BATCH = 8
"""Batch entries handled at once; larger batches take several passes."""
REGISTERS = 110
"""Float64 sums that a thread keeps while it reads W; more rows of the Gram matrix take several passes."""
CHANNELS = 32
"""Channels that a thread of `displace` combines; more threads hide the wait for memory."""
COMBINE = {"BLOCK": 128, "CHANNELS": 96, "STAGES": 3, "num_warps": 4}
"""How `combine` runs: a thread combines all channels, so that it reads factors once, and bases of the next ones come in
meanwhile, because factors in registers leave room for few threads."""
COLUMNS = 7
"""Columns of dW that a thread computes while it reads W."""


@torch.compiler.disable
def displace(w: Tensor, factors: Tensor) -> Tensor:
    """Displacement (B, C, U, V), float32, of w (U, V, C, N) and factors (B, N, U, V).

    Badly conditioned positions are computed as `planedict.displace` does, with the same `ValueError`. Inside a CUDA
    graph, where nothing can be decided, they are NaN.
    """
    out, doubtful = _Displace.apply(w.permute(2, 3, 0, 1).float(), factors.float())
    if out.is_cuda and torch.cuda.is_current_stream_capturing():
        return out.masked_fill(doubtful, torch.nan)
    if not doubtful.any():
        return out
    q = planedict.orthonormalise(w[doubtful].double().unsqueeze(0))  # (1, K, C, N)
    exact = planedict.combine(q, factors[..., doubtful].double().unsqueeze(-2))  # (B, C, 1, K)
    return out.masked_scatter(doubtful, exact.squeeze(-2).to(out.dtype))


@torch.compiler.disable
def combine(q: Tensor, factors: Tensor) -> Tensor:
    """Displacement (B, C, U, V), float32, of bases q (U, V, C, N) and factors (B, N, U, V), without gradient."""
    q, factors = q.permute(2, 3, 0, 1).contiguous(), factors.contiguous()
    channels, bases, *plane = q.shape
    positions = plane[0] * plane[1]
    out = torch.empty(factors.shape[0], channels, *plane, device=q.device)
    for rows in _passes(factors.shape[0]):
        size = (channels, positions, bases, rows.stop - rows.start)
        grid = triton.cdiv(channels, COMBINE["CHANNELS"]), triton.cdiv(positions, COMBINE["BLOCK"])
        _apply[grid](q, factors[rows], out[rows], *size, **COMBINE)
    return out


class _Displace(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, w: Tensor, factors: Tensor) -> tuple[Tensor, Tensor]:
        w, factors = w.contiguous(), factors.contiguous()  # (C, N, U, V), (B, N, U, V)
        channels, bases, *plane = w.shape
        batch, positions = factors.shape[0], plane[0] * plane[1]
        grid = (triton.cdiv(positions, BLOCK),)
        gram = torch.empty(bases * (bases + 1) // 2, positions, dtype=torch.float64, device=w.device)
        inverse = torch.empty_like(gram, dtype=torch.float32)
        doubtful = torch.empty(plane, dtype=torch.bool, device=w.device)
        for first, last in _row_blocks(bases):
            _gram[grid](w, gram, channels, positions, first, last, bases, BLOCK, num_warps=WARPS)
        smallest = planedict.SMALLEST_PIVOT[torch.float32]
        _invert[grid](gram, inverse, doubtful, smallest, positions, bases, BLOCK, num_warps=WARPS)
        out = w.new_empty(batch, channels, *plane)
        coefficients = w.new_empty(batch, bases, positions)
        for rows in _passes(batch):
            size = (positions, bases, rows.stop - rows.start, BLOCK)
            _coefficients[grid](inverse, factors[rows], coefficients[rows], *size, num_warps=WARPS)
            _apply[triton.cdiv(channels, CHANNELS), *grid](
                w, coefficients[rows], out[rows], channels, *size, CHANNELS, 1, num_warps=WARPS
            )
        ctx.save_for_backward(w, inverse, factors, coefficients)
        ctx.mark_non_differentiable(doubtful)
        return out, doubtful

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
        w, inverse, factors, coefficients = ctx.saved_tensors
        channels, bases, *plane = w.shape
        positions = plane[0] * plane[1]
        grid = (triton.cdiv(positions, BLOCK),)
        grad = grad.contiguous()
        rows_of_inner = w.new_empty(bases, bases, positions)
        inner = torch.empty_like(inverse)
        grad_w = torch.empty_like(w)
        grad_factors = torch.empty_like(factors)
        blocks = (triton.cdiv(bases, COLUMNS), *grid)
        for rows in _passes(factors.shape[0]):
            size = (positions, bases, rows.stop - rows.start, BLOCK)
            _project[grid](w, inverse, grad[rows], grad_factors[rows], channels, *size, num_warps=WARPS)
            _half_inner[grid](inverse, factors[rows], grad_factors[rows], rows_of_inner, *size, num_warps=WARPS)
            _inner[grid](inverse, rows_of_inner, inner, positions, bases, BLOCK, num_warps=WARPS)
            _differentiate[blocks](
                w, coefficients[rows], grad[rows], inner, grad_w, channels, *size, COLUMNS, rows.start > 0,
                num_warps=WARPS,
            )  # fmt: skip
        return grad_w, grad_factors


def _passes(batch: int) -> list[slice]:
    return [slice(first, min(first + BATCH, batch)) for first in range(0, batch, BATCH)]


def _row_blocks(bases: int) -> list[tuple[int, int]]:
    """Ranges of rows whose lower triangle has at most about `REGISTERS` elements."""
    blocks, first = [], 0
    while first < bases:
        last, count = first, 0
        while last < bases and (last == first or count + last + 1 <= REGISTERS):
            count += last + 1
            last += 1
        blocks.append((first, last))
        first = last
    return blocks


@triton.jit
def _zeros(count: tl.constexpr, BLOCK: tl.constexpr, TYPE: tl.constexpr = tl.float32):
    """A tuple of zeros."""
    values = ()
    for _ in tl.static_range(count):
        values = values + (tl.zeros((BLOCK,), TYPE),)
    return values


@triton.jit
def _load(pointers, stride, count: tl.constexpr, mask):
    """A tuple of values, one every ``stride``."""
    values = ()
    for i in tl.static_range(count):
        values = values + (tl.load(pointers + i * stride, mask=mask, other=0.0).to(tl.float32),)
    return values


@triton.jit
def _load_row(packed, i, P, mask, N: tl.constexpr):
    """Row i of a packed lower triangle, 0 right of the diagonal."""
    values = ()
    for j in tl.static_range(N):
        values = values + (tl.load(packed + (i * (i + 1) // 2 + j) * P, mask=mask & (j <= i), other=0.0),)
    return values


@triton.jit
def _add(values, others, scale, count: tl.constexpr):
    """values + others * scale, element by element."""
    total = ()
    for i in tl.static_range(count):
        total = total + (values[i] + others[i] * scale,)
    return total


@triton.jit
def _gram(w, gram, C, P, FIRST: tl.constexpr, LAST: tl.constexpr, N: tl.constexpr, BLOCK: tl.constexpr):
    """Rows FIRST to LAST of the packed Gram matrices (N(N+1)/2, P), float64, of w (C, N, P)."""
    position = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = position < P
    start: tl.constexpr = FIRST * (FIRST + 1) // 2
    count: tl.constexpr = LAST * (LAST + 1) // 2 - start
    result = _zeros(count, BLOCK, tl.float64)
    for c in range(C):
        row = ()
        for i in tl.static_range(LAST):
            row = row + (tl.load(w + (c * N + i) * P + position, mask=mask, other=0.0).to(tl.float64),)
        total = ()
        for i in tl.static_range(FIRST, LAST):
            for j in tl.static_range(i + 1):
                total = total + (result[i * (i + 1) // 2 + j - start] + row[i] * row[j],)
        result = total
    for i in tl.static_range(count):
        tl.store(gram + (start + i) * P + position, result[i], mask=mask)


@triton.jit
def _invert(gram, inverse, doubtful_out, smallest, P, N: tl.constexpr, BLOCK: tl.constexpr):
    """M, the inverse of the Cholesky factor of gram, row by row (bordering); 0 where a pivot is too small.

    Rows of M are kept in place of rows of gram, in float64, and rounded at the end.
    """
    position = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = position < P
    gram += position
    inverse += position
    good = mask
    for i in range(N):
        source = _load_row(gram, i, P, mask, N)
        diagonal = tl.load(gram + (i * (i + 1) // 2 + i) * P, mask=mask, other=1.0)
        pivot = diagonal
        row = _zeros(N, BLOCK, tl.float64)  # the new row of M before scaling, left of the diagonal
        for j in range(i):
            above = _load_row(gram, j, P, mask, N)
            value = source[0] * above[0]  # element (i, j) of the Cholesky factor: gram[i, :j + 1] @ M[j, :j + 1]
            for k in tl.static_range(1, N):
                value += source[k] * above[k]
            pivot -= value * value
            row = _add(row, above, -value, N)
        good = good & (pivot > smallest * diagonal)  # false for NaN
        scale = 1.0 / tl.sqrt(tl.where(good, pivot, 1.0))
        for j in tl.static_range(N):
            value = tl.where(good, tl.where(j == i, 1.0, row[j]) * scale, 0.0)
            tl.store(gram + (i * (i + 1) // 2 + j) * P, value, mask=mask & (j <= i))
        tl.debug_barrier()  # later rows read this one
    tl.store(doubtful_out + position, good == 0, mask=mask)
    for i in range(N * (N + 1) // 2):
        value = tl.load(gram + i * P, mask=mask, other=0.0)
        tl.store(inverse + i * P, tl.where(good, value, 0.0).to(tl.float32), mask=mask)


@triton.jit
def _coefficients(inverse, factors, out, P, N: tl.constexpr, B: tl.constexpr, BLOCK: tl.constexpr):
    """K (B, N, P) = M'L of factors (B, N, P)."""
    position = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = position < P
    result = _zeros(B * N, BLOCK)
    for i in range(N):
        row = _load_row(inverse + position, i, P, mask, N)
        factor = _load(factors + i * P + position, N * P, B, mask)
        total = ()
        for b in tl.static_range(B):
            for n in tl.static_range(N):
                total = total + (result[b * N + n] + row[n] * factor[b],)
        result = total
    for i in tl.static_range(B * N):
        tl.store(out + i * P + position, result[i], mask=mask)


@triton.jit
def _apply(
    w, coefficients, out, C, P,
    N: tl.constexpr, B: tl.constexpr, BLOCK: tl.constexpr, CHANNELS: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    """out (B, C, P) = W K of w (C, N, P) and coefficients (B, N, P), CHANNELS of its C.

    Programs that need the same coefficients run side by side and find them in the cache. W is loaded STAGES - 1
    channels ahead.
    """
    first = tl.program_id(0) * CHANNELS
    position = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    mask = position < P
    coefficient = _load(coefficients + position, P, B * N, mask)
    for c in tl.range(first, tl.minimum(first + CHANNELS, C), num_stages=STAGES):
        row = _load(w + c * N * P + position, P, N, mask)
        for b in tl.static_range(B):
            value = row[0] * coefficient[b * N]
            for n in tl.static_range(1, N):
                value += row[n] * coefficient[b * N + n]
            tl.store(out + (b * C + c) * P + position, value, mask=mask)


@triton.jit
def _project(w, inverse, grad, grad_factors, C, P, N: tl.constexpr, B: tl.constexpr, BLOCK: tl.constexpr):
    """dL (B, N, P) = M W'D with D the gradient grad (B, C, P)."""
    position = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = position < P
    product = _zeros(N * B, BLOCK)  # W'D
    for c in range(C):
        row = _load(w + c * N * P + position, P, N, mask)
        column = _load(grad + c * P + position, C * P, B, mask)
        total = ()
        for n in tl.static_range(N):
            for b in tl.static_range(B):
                total = total + (product[n * B + b] + row[n] * column[b],)
        product = total
    for i in range(N):
        row = _load_row(inverse + position, i, P, mask, N)
        for b in tl.static_range(B):
            value = row[0] * product[b]
            for j in tl.static_range(1, N):
                value += row[j] * product[j * B + b]
            tl.store(grad_factors + (b * N + i) * P + position, value, mask=mask)


@triton.jit
def _half_inner(inverse, factors, grad_factors, out, P, N: tl.constexpr, B: tl.constexpr, BLOCK: tl.constexpr):
    """S M (N, N, P), S the lower triangle of -L dL' with half its diagonal."""
    position = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = position < P
    above = _zeros(B * N, BLOCK)  # dL'M of the rows so far
    for i in range(N):
        row = _load_row(inverse + position, i, P, mask, N)
        factor = _load(factors + i * P + position, N * P, B, mask)
        grad = _load(grad_factors + i * P + position, N * P, B, mask)
        total = ()
        for b in tl.static_range(B):
            for n in tl.static_range(N):
                total = total + (above[b * N + n] + row[n] * grad[b],)
        for n in tl.static_range(N):
            value = (above[n] + total[n]) * factor[0]
            for b in tl.static_range(1, B):
                value += (above[b * N + n] + total[b * N + n]) * factor[b]
            tl.store(out + (i * N + n) * P + position, -0.5 * value, mask=mask)
        above = total


@triton.jit
def _inner(inverse, half, out, P, N: tl.constexpr, BLOCK: tl.constexpr):
    """Packed T (N(N+1)/2, P) = M'(S + S')M of half = S M."""
    position = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = position < P
    result = _zeros(N * (N + 1) // 2, BLOCK)
    for i in range(N):
        left = _load_row(inverse + position, i, P, mask, N)
        right = _load(half + i * N * P + position, P, N, mask)
        total = ()
        for a in tl.static_range(N):
            for b in tl.static_range(a + 1):
                total = total + (result[a * (a + 1) // 2 + b] + left[a] * right[b] + right[a] * left[b],)
        result = total
    for i in tl.static_range(N * (N + 1) // 2):
        tl.store(out + i * P + position, result[i], mask=mask)


@triton.jit
def _differentiate(
    w, coefficients, grad, inner, grad_w, C, P,
    N: tl.constexpr, B: tl.constexpr, BLOCK: tl.constexpr, COLUMNS: tl.constexpr, ADD: tl.constexpr,
):  # fmt: skip
    """dW (C, N, P) = D K' + W T for COLUMNS of its N columns, added to grad_w where ADD.

    Neighbouring programs share a block of positions, so that W comes from memory once and then from the cache.
    """
    first = tl.program_id(0) * COLUMNS
    position = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    mask = position < P
    coefficient = ()
    middle = ()
    for i in tl.static_range(COLUMNS):
        n = first + i
        valid = mask & (n < N)
        coefficient = coefficient + _load(coefficients + n * P + position, N * P, B, valid)
        for m in tl.static_range(N):
            low, high = tl.minimum(m, n), tl.maximum(m, n)
            pointer = inner + (high * (high + 1) // 2 + low) * P + position
            middle = middle + (tl.load(pointer, mask=valid, other=0.0),)
    for c in range(C):
        row = _load(w + c * N * P + position, P, N, mask)
        column = _load(grad + c * P + position, C * P, B, mask)
        for i in tl.static_range(COLUMNS):
            value = column[0] * coefficient[i * B]
            for b in tl.static_range(1, B):
                value += column[b] * coefficient[i * B + b]
            for m in tl.static_range(N):
                value += row[m] * middle[i * N + m]
            pointer = grad_w + (c * N + first + i) * P + position
            valid = mask & (first + i < N)
            if ADD:
                value += tl.load(pointer, mask=valid, other=0.0)
            tl.store(pointer, value, mask=valid)
