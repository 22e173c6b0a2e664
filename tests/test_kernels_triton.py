"""The fused kernels against their reference implementations, in Triton's interpreter, or on a GPU if there is one."""

import pytest
import torch

pytest.importorskip("triton")

from thedit import camera
from thedit.bench.agreement import conditioned
from thedit.kernels import blur as blur_reference
from thedit.kernels import blur_triton, planedict, planedict_triton, render_triton
from thedit.kernels import render as render_reference

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def error(value: torch.Tensor, reference: torch.Tensor) -> float:
    return ((value.double() - reference.double()).norm() / reference.double().norm()).item()


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(DEVICE)


def plane_dictionary(side: tuple[int, int], channels: int, bases: int, batch: int):
    w = random(channels, bases, *side, seed=0).permute(2, 3, 0, 1)
    return w, random(batch, bases, *side, seed=1), random(batch, channels, *side, seed=2)


def both_displacements(w, factors, gradient):
    """Fused float32 and plain float64: displacement, gradient of w, gradient of the factors."""
    results = []
    for displace, dtype in ((planedict_triton.displace, torch.float32), (planedict.displace, torch.float64)):
        inputs = [tensor.to(dtype).requires_grad_() for tensor in (w, factors)]
        out = displace(*inputs)
        results.append((out, *torch.autograd.grad(out, inputs, gradient.to(dtype))))
    return zip(*results, strict=True)


@pytest.mark.parametrize(
    ("side", "channels", "bases", "batch"),
    [((3, 5), 24, 6, 2), ((2, 2), 9, 4, 11), ((1, 130), 8, 3, 1), ((2, 2), 40, 11, 2)],
)
def test_displacement_and_its_gradients(side, channels, bases, batch):
    for value, reference in both_displacements(*plane_dictionary(side, channels, bases, batch)):
        assert error(value, reference) <= 1e-5


def test_doubtful_positions_are_computed_exactly():
    w, factors, gradient = plane_dictionary((2, 3), 16, 4, 2)
    w[1, 2] = conditioned((16, 4), 1e4, torch.Generator().manual_seed(3))
    for value, reference in both_displacements(w, factors, gradient):
        assert error(value, reference) <= 1e-4


def test_rank_deficient_position_is_an_error():
    w, factors, _ = plane_dictionary((2, 2), 8, 3, 1)
    w[0, 1] = 0
    with pytest.raises(ValueError, match="full column rank"):
        planedict_triton.displace(w, factors)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_combination_of_given_bases(dtype):
    w, factors, _ = plane_dictionary((3, 3), 40, 5, 9)
    bases = planedict.orthonormalise(w).to(dtype)
    assert error(planedict_triton.combine(bases, factors), planedict.combine(bases.float(), factors)) <= 1e-6


def render_case(batch, channels, hidden, outputs, side, size, samples, focal):
    generator = torch.Generator().manual_seed(0)
    angles = torch.randn(2, batch, generator=generator) * 15
    cameras = camera.join(camera.orbit(*angles), camera.intrinsics(focal)).to(DEVICE)
    origins, directions = camera.rays(cameras, size)
    planes = random(batch, 3, channels, side, side, seed=1)
    shapes = (hidden, channels), (hidden,), (1 + outputs, hidden), (1 + outputs,)
    weights = [0.4 * random(*shape, seed=2 + i) for i, shape in enumerate(shapes)]
    noise = torch.rand(batch, size * size, sum(samples), generator=generator).to(DEVICE)
    return planes, weights, (origins, directions, 2.25, 3.3, *samples, noise)


@pytest.mark.parametrize(
    ("shape", "samples", "focal"),
    [
        ((2, 16, 32, 16, 8, 5), (4, 4), camera.FOCAL),
        ((1, 32, 64, 32, 16, 7), (6, 5), 1.5),  # a wide view: many rays miss the box
        ((2, 12, 20, 7, 8, 4), (5, 3), 1.5),  # nothing a power of two
        ((1, 16, 16, 3, 8, 9), (6, 0), camera.FOCAL),  # no importance samples; more rays than a block
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rendering_and_its_gradients(shape, samples, focal, dtype):
    planes, weights, rays = render_case(*shape, samples, focal)
    results = []
    for render in (render_triton.render, render_reference.render_plain):
        inputs = [tensor.clone().requires_grad_() for tensor in (planes.to(dtype), *weights)]
        out = render(inputs[0], render_reference.Decoder(*inputs[1:]), *rays)
        gradient = [torch.cos(torch.arange(value.numel(), device=DEVICE)).view_as(value) for value in out]
        results.append((*out, *torch.autograd.grad(out, inputs, gradient)))
    limit = 1e-4 if dtype == torch.float32 else 1e-2
    assert all(error(value, reference) <= limit for value, reference in zip(*results, strict=True))
    missed = results[1][2] == 0
    assert missed.any() == (focal < 2)
    assert not results[0][2][missed].any()


def test_middle_of_the_intervals_without_noise():
    planes, weights, rays = render_case(1, 16, 16, 4, 8, 4, (4, 4), camera.FOCAL)
    decoder = render_reference.Decoder(*weights)
    value = render_triton.render(planes, decoder, *rays[:-1])
    for got, wanted in zip(value, render_reference.render_plain(planes, decoder, *rays[:-1]), strict=True):
        assert error(got, wanted) <= 1e-4


@pytest.mark.parametrize("shape", [(2, 5, 9, 9), (1, 130, 5, 5), (1, 16, 17, 17)])
def test_blur_and_its_gradient(shape):
    results = []
    for blur in (blur_triton.blur, blur_reference.blur):
        x = random(*shape, seed=0).requires_grad_()
        out = blur(x)
        (gradient,) = torch.autograd.grad(out, x, random(*out.shape, seed=1))
        results.append((out, gradient))
    for value, reference in zip(*results, strict=True):
        torch.testing.assert_close(value, reference, atol=1e-5, rtol=1e-5)
