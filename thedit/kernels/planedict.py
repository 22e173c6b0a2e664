"""Orthonormal plane bases and their combination: the plane dictionary of Yang et al., AAAI 2024.

At every plane position (u, v) a learnable matrix W(u, v) of C channels by N bases is orthonormalised,
W(u, v) = Q(u, v) R(u, v) with Q'Q = I, R upper triangular and diag(R) > 0, which makes Q a smooth function of W.
Linear factors L then give the displacement of the tri-planes, Q(u, v) L(u, v).

The factorisation is CholeskyQR2 (Yamamoto et al., 2015): two rounds of a Cholesky factorisation of the Gram matrix.
It squares the condition number, so positions where W is badly conditioned are found by their pivots and factorised
again in float64; a position without full column rank is an error, never a NaN.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from thedit.kernels import fused

SMALLEST_PIVOT = {torch.float32: 1e-4, torch.float64: 1e-12}
"""Smallest trusted squared sine of the angle between a column of W and the span of the columns before it."""


def orthonormalise(w: Tensor) -> Tensor:
    """Orthonormal bases Q (U, V, C, N), float32 or float64, of w (U, V, C, N), differentiable once.

    Positions whose condition number is too large for float32 are factorised in float64. Raises `ValueError` when a
    position does not have full column rank or is not finite.
    """
    if w.shape[-2] < w.shape[-1]:
        raise ValueError(f"{w.shape[-1]} bases of {w.shape[-2]} channels cannot be orthonormal")
    with torch.autocast(w.device.type, enabled=False):
        q, doubtful = _Orthonormalise.apply(w)
    if not doubtful.any():
        return q
    if w.dtype == torch.float64:
        count, (u, v) = int(doubtful.sum()), doubtful.nonzero()[0].tolist()
        raise ValueError(
            f"the plane dictionary is not finite or not of full column rank at {count} positions, first ({u}, {v})"
        )
    exact = orthonormalise(w[doubtful].double().unsqueeze(0)).squeeze(0)  # (K, C, N)
    return q.masked_scatter(doubtful[..., None, None], exact.to(w.dtype))


def combine(q: Tensor, factors: Tensor) -> Tensor:
    """Displacement (B, C, U, V) = sum over n of q (U, V, C, N) times factors (B, N, U, V)."""
    if fused(q) and not (torch.is_grad_enabled() and (q.requires_grad or factors.requires_grad)):
        from thedit.kernels import planedict_triton

        return planedict_triton.combine(q, factors)
    with torch.autocast(q.device.type, enabled=False):
        product = q @ factors.to(q.dtype).permute(2, 3, 1, 0).contiguous()  # (U, V, C, B)
    if len(factors) == 1:  # said so that torch sees channels last
        return product.view(1, *product.shape[:3]).permute(0, 3, 1, 2)
    return product.permute(3, 2, 0, 1)


def displace(w: Tensor, factors: Tensor) -> Tensor:
    """`combine(orthonormalise(w), factors)`: (U, V, C, N) and (B, N, U, V) -> (B, C, U, V), without keeping the bases.

    Fastest on a GPU when w is a view of a contiguous tensor (C, N, U, V).
    """
    if fused(w):
        from thedit.kernels import planedict_triton

        return planedict_triton.displace(w, factors)
    return combine(orthonormalise(w), factors)


class BasisCache:
    """The bases of a parameter that no longer changes, computed once and kept until it is written to or moved."""

    def __init__(self) -> None:
        self._key: tuple[Any, ...] | None = None
        self._bases: Tensor | None = None

    @torch.no_grad()
    def __call__(self, w: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """`orthonormalise(w)`, stored as ``dtype`` (that of w by default), without gradient."""
        dtype = dtype or w.dtype
        key = (w.data_ptr(), w._version, w.device, w.shape, dtype)
        if self._bases is None or key != self._key:
            bases = orthonormalise(w).to(dtype)
            if fused(w):  # positions side by side, as `displace` wants them
                bases = bases.permute(2, 3, 0, 1).contiguous().permute(2, 3, 0, 1)
            self._key, self._bases = key, bases
        return self._bases


class _Orthonormalise(torch.autograd.Function):
    """CholeskyQR2 with the closed-form gradient of the QR factorisation (Walter and Lehmann, 2010)."""

    @staticmethod
    def forward(ctx: Any, w: Tensor) -> tuple[Tensor, Tensor]:
        q, r1, doubtful = _cholesky_round(w.contiguous())  # torch multiplies strided small matrices one by one
        q, r2, _ = _cholesky_round(q)
        ctx.save_for_backward(q, r2 @ r1, doubtful)
        ctx.mark_non_differentiable(doubtful)
        return q, doubtful

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> Tensor:
        q, r, doubtful = ctx.saved_tensors
        grad = grad.masked_fill(doubtful[..., None, None], 0).contiguous()
        inner = -(grad.transpose(-1, -2) @ q)  # (U, V, N, N)
        symmetric = inner.tril() + inner.tril(-1).transpose(-1, -2)
        right = grad + q @ symmetric
        return torch.linalg.solve_triangular(r.transpose(-1, -2), right, upper=False, left=False)


def _cholesky_round(w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One round: w (U, V, C, N) = q r; ``doubtful`` (U, V) marks positions whose q and r are identity stand-ins."""
    gram = w.transpose(-1, -2) @ w  # (U, V, N, N)
    lower, info = torch.linalg.cholesky_ex(gram)
    pivots = lower.diagonal(dim1=-2, dim2=-1).square() / gram.diagonal(dim1=-2, dim2=-1)  # (U, V, N)
    doubtful = (info != 0) | ~(pivots.amin(-1) > SMALLEST_PIVOT[w.dtype])
    identity = torch.eye(w.shape[-2], w.shape[-1], dtype=w.dtype, device=w.device)
    w = torch.where(doubtful[..., None, None], identity, w)
    lower = torch.where(doubtful[..., None, None], identity[: w.shape[-1]], lower)
    q = torch.linalg.solve_triangular(lower.transpose(-1, -2), w, upper=True, left=False)
    return q, lower.transpose(-1, -2), doubtful
