"""Bilinear samples of the fused kernels against torch's grid_sample, in Triton's interpreter, or on a GPU."""

import pytest
import torch

pytest.importorskip("triton")

from thedit.kernels import render, sample, sample_triton

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(DEVICE)


def sampler(module, outside):
    return lambda picture, place: module.sample(picture, place, outside)


def compared(fused, plain, inputs, weights):
    """Results and gradients of the fused float32 path, each with those of the plain one in float64."""
    results = []
    for function, dtype in ((fused, torch.float32), (plain, torch.float64)):
        given = [tensor.detach().to(dtype).requires_grad_(tensor.requires_grad) for tensor in inputs]
        out = function(*given)
        learned = [tensor for tensor in given if tensor.requires_grad]
        results.append([out, *torch.autograd.grad(out, learned, weights.to(dtype))])
    return zip(*results, strict=True)


def assert_close(fused, plain, inputs, weights):
    for value, reference in compared(fused, plain, inputs, weights):
        torch.testing.assert_close(value.double(), reference, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("outside", ["border", "zeros"])
@pytest.mark.parametrize(("channels", "rows", "columns"), [(1, 6, 6), (3, 4, 9), (35, 8, 8)])
def test_pictures_within_and_without(channels, rows, columns, outside):
    picture, place = random(2, channels, rows, columns, seed=0), 1.2 * random(2, 150, 2, seed=1)
    place[0, :3] = torch.tensor([[-40.0, 0.3], [1e9, -1e9], [1.0, -1.0]])
    inputs = picture.requires_grad_(), place.requires_grad_()
    assert_close(sampler(sample_triton, outside), sampler(sample, outside), inputs, random(2, 150, channels, seed=2))


@pytest.mark.parametrize(("learned", "moved"), [(True, False), (False, True)])
def test_only_wanted_gradients_are_made(learned, moved):
    picture, place = random(1, 4, 8, 8, seed=0), random(1, 20, 2, seed=1)
    inputs = picture.requires_grad_(learned), place.requires_grad_(moved)
    assert_close(sampler(sample_triton, "zeros"), sampler(sample, "zeros"), inputs, random(1, 20, 4, seed=2))


def test_a_place_that_is_no_number_reads_nothing_outside_of_the_picture():
    picture, place = random(1, 2, 4, 4, seed=0), torch.full((1, 3, 2), torch.nan, device=DEVICE)
    for outside in ("border", "zeros"):
        assert sample_triton.sample(picture, place, outside).shape == (1, 3, 2)


@pytest.mark.parametrize(("channels", "side"), [(5, 8), (32, 4)])
def test_planes(channels, side):
    planes, points = random(2, 3, channels, side, side, seed=0), 0.4 * random(2, 90, 3, seed=1)
    inputs = planes.requires_grad_(), points
    assert_close(sample_triton.sample_planes, render.sample_planes, inputs, random(2, 90, channels, seed=2))


@pytest.mark.parametrize("dynamic", [False, True])
def test_torch_compile_takes_them_as_they_are(dynamic):
    picture, place = random(1, 3, 8, 8, seed=0).requires_grad_(), random(1, 9, 2, seed=1).requires_grad_()
    planes, points = random(1, 3, 4, 8, 8, seed=2).requires_grad_(), 0.4 * random(1, 9, 3, seed=3)

    def both(picture, place, planes):
        shown = sample_triton.sample(picture, place, "zeros").square().sum()
        return shown + sample_triton.sample_planes(planes, points).square().sum()

    learned = picture, place, planes
    compiled = torch.compile(both, backend="aot_eager", fullgraph=True, dynamic=dynamic)
    wanted = torch.autograd.grad(both(*learned), learned)
    for value, reference in zip(torch.autograd.grad(compiled(*learned), learned), wanted, strict=True):
        torch.testing.assert_close(value, reference)
