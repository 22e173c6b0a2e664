"""The plane dictionary's reference implementation: orthogonality, gradients, fallback, errors, cache."""

import pytest
import torch

from thedit.bench.agreement import conditioned, householder
from thedit.kernels import planedict


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("condition", "limit"), [(None, 2e-6), (1e2, 1e-5), (1e4, 1e-5), (1e6, 1e-5)])
def test_orthonormal_and_differentiated_like_householder(condition, limit):
    shape = (3, 4, 96, 20)
    generator = torch.Generator().manual_seed(1)
    start = random(*shape) if condition is None else conditioned(shape, condition, generator)
    w, exact, gradient = start.clone().requires_grad_(), start.double().requires_grad_(), random(*shape, seed=2)
    q, wanted = planedict.orthonormalise(w), householder(exact)
    assert (q.mT @ q - torch.eye(20)).abs().max() <= limit
    assert ((q - wanted).norm() / wanted.norm()) <= 1e-4
    (value,) = torch.autograd.grad(q, w, gradient)
    (reference,) = torch.autograd.grad(wanted, exact, gradient.double())
    assert (value - reference).norm() / reference.norm() <= 1e-4


def test_gradient_by_finite_differences():
    w = random(1, 2, 5, 3).double().requires_grad_()
    assert torch.autograd.gradcheck(planedict.orthonormalise, w)


def test_diagonal_of_r_is_positive():
    w = random(2, 2, 8, 4)
    r = planedict.orthonormalise(w).mT @ w
    assert (r.diagonal(dim1=-2, dim2=-1) > 0).all()
    assert r.tril(-1).abs().max() < 1e-5


@pytest.mark.parametrize("fault", ["zero", "repeated column", "nan"])
def test_a_position_without_full_rank_is_named(fault):
    w = random(2, 3, 8, 4)
    if fault == "zero":
        w[1, 2] = 0
    elif fault == "repeated column":
        w[1, 2, :, 3] = w[1, 2, :, 0]
    else:
        w[1, 2, 0, 0] = float("nan")
    with pytest.raises(ValueError, match="full column rank at 1 positions"):
        planedict.orthonormalise(w)


def test_more_bases_than_channels_is_an_error():
    with pytest.raises(ValueError, match="cannot be orthonormal"):
        planedict.orthonormalise(random(1, 1, 3, 4))


def test_combine_is_the_sum_over_bases():
    q, factors = random(2, 3, 8, 4), random(5, 4, 2, 3, seed=1)
    wanted = torch.einsum("uvcn,bnuv->bcuv", q, factors)
    torch.testing.assert_close(planedict.combine(q, factors), wanted)
    torch.testing.assert_close(planedict.displace(q, factors), planedict.combine(planedict.orthonormalise(q), factors))


def test_autocast_does_not_lower_the_precision():
    w = random(2, 2, 16, 4)
    with torch.autocast("cpu", torch.bfloat16):
        q = planedict.orthonormalise(w)
    assert (q.mT @ q - torch.eye(4)).abs().max() <= 2e-6


def test_cache_follows_the_parameter():
    w = torch.nn.Parameter(random(2, 2, 8, 4))
    cached = planedict.BasisCache()
    first = cached(w)
    assert cached(w) is first
    assert cached(w, torch.bfloat16).dtype == torch.bfloat16
    with torch.no_grad():
        w.mul_(-1)
    torch.testing.assert_close(cached(w), -first)
    assert not cached(w).requires_grad
