"""The renderer's reference implementation against closed forms, and its sampling."""

import math

import pytest
import torch

from thedit.kernels import render as kernel

NEAR, FAR = 2.25, 3.3


def constant_decoder(channels: int, density: float, colours: list[float]) -> kernel.Decoder:
    """Ignores its input; ``density`` and ``colours`` are what it says after its activations."""
    raw = [math.log(math.expm1(density)), *(math.log(c / (1 - c)) for c in colours)]
    hidden = 4
    return kernel.Decoder(
        torch.zeros(hidden, channels), torch.zeros(hidden), torch.zeros(len(raw), hidden), torch.tensor(raw)
    )


def rays(*pairs: tuple[list[float], list[float]]) -> tuple[torch.Tensor, torch.Tensor]:
    origins, directions = (torch.tensor(values).unsqueeze(0) for values in zip(*pairs, strict=True))
    return origins, torch.nn.functional.normalize(directions, dim=-1)


def test_uniform_density_follows_beer_lambert():
    origins, directions = rays(([0.0, 0.0, 2.8], [0.0, 0.0, -1.0]), ([0.0, 0.0, 2.8], [0.0, 1.0, -0.1]))
    planes = torch.randn(1, 3, 4, 8, 8)
    density, colours = 1.7, [0.25, 0.5]
    out = kernel.render(planes, constant_decoder(4, density, colours), origins, directions, NEAR, FAR, 64, 0)
    # The first ray is inside the box from 2.3 to 3.3; without jitter its first sample sits half an interval in.
    opacity = 1 - math.exp(-density * (1 - 0.5 / 64))
    assert out.opacity[0, 0].item() == pytest.approx(opacity, abs=1e-4)
    wanted = torch.tensor(colours) * 1.002 - 0.001
    torch.testing.assert_close(out.features[0, 0], wanted * opacity, atol=1e-4, rtol=0)
    assert NEAR < out.depth[0, 0] < FAR
    assert out.opacity[0, 1] == 0 and out.depth[0, 1] == pytest.approx(FAR) and not out.features[0, 1].any()


def test_planes_are_read_along_their_axes():
    planes = torch.zeros(1, 3, 1, 4, 4)
    texels = (torch.arange(4) + 0.5) / 4 - 0.5  # centres of the texels, in world units
    planes[0, 0, 0] = texels[None, :]  # plane XY holds x
    planes[0, 1, 0] = 10 * texels[:, None]  # plane XZ holds 10 z
    planes[0, 2, 0] = 100 * texels[None, :]  # plane YZ holds 100 y
    points = torch.tensor([[[0.1, 0.2, -0.3], [-0.25, 0.0, 0.3]]])
    wanted = (points * torch.tensor([1.0, 100.0, 10.0])).sum(-1, keepdim=True) / 3
    torch.testing.assert_close(kernel.sample_planes(planes, points), wanted)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_points_are_sampled_without_gradients_as_with_them(dtype):
    planes = torch.randn(2, 3, 8, 16, 16, dtype=dtype)
    points = 1.4 * torch.rand(2, 500, 3, dtype=dtype) - 0.7  # some beyond the box
    points[0, :4] = torch.tensor([[0.5, 0.5, 0.5], [-0.5, 0.5, 0.0], [-0.46875, 0.46875, 0.03125], [9.0, -9.0, 0.0]])
    wanted = kernel.sample_planes(planes, points)
    with torch.no_grad():
        torch.testing.assert_close(kernel.sample_planes(planes, points), wanted)


def test_density_is_positive_and_smooth_under_autocast():
    planes, points = torch.randn(2, 3, 8, 8, 8), torch.rand(2, 50, 3) - 0.5
    decoder = kernel.Decoder(torch.randn(16, 8), torch.randn(16), torch.randn(5, 16), torch.randn(5))
    plain = kernel.density(planes, decoder, points)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(kernel.density(planes, decoder, points), plain)
    assert plain.shape == (2, 50) and (plain >= 0).all()


@pytest.mark.parametrize("noise", [None, "random"])
def test_samples_ascend_inside_the_box(noise):
    generator = torch.Generator().manual_seed(0)
    planes = torch.randn(1, 3, 8, 16, 16, generator=generator)
    shapes = ((16, 8), (16,), (5, 16), (5,))
    decoder = kernel.Decoder(*(torch.randn(*shape, generator=generator) for shape in shapes))
    directions = torch.randn(1, 40, 3, generator=generator) * 0.1 - torch.tensor([0.0, 0.0, 1.0])
    origins, directions = rays(*(([0.0, 0.0, 2.9], ray) for ray in directions[0].tolist()))
    jitter = None if noise is None else torch.rand(1, 40, 20, generator=generator)
    distances = kernel.sample_distances(planes, decoder, origins, directions, NEAR, FAR, 12, 8, jitter)
    assert distances.shape == (1, 40, 21)
    assert (distances.diff(dim=-1) >= 0).all()
    points = origins.unsqueeze(2) + distances.unsqueeze(-1) * directions.unsqueeze(2)
    hit = distances[..., -1] > distances[..., 0]
    assert hit.any() and (points[hit].abs() <= 0.5 + 1e-5).all()


def test_importance_samples_go_where_the_density_is():
    planes = torch.zeros(1, 3, 1, 64, 64)
    planes[0, 1, 0, 40:44] = 60.0  # a slab between z = 0.125 and z = 0.1875
    decoder = kernel.Decoder(torch.ones(1, 1), torch.zeros(1), torch.ones(2, 1), torch.full((2,), -8.0))
    origins, directions = rays(([0.0, 0.0, 2.8], [0.0, 0.0, -1.0]))
    distances = kernel.sample_distances(planes, decoder, origins, directions, NEAR, FAR, 32, 32)
    z = 2.8 - distances[0, 0, :-1]
    near_slab = ((z > 0.1) & (z < 0.21)).float().mean()
    assert near_slab > 0.33  # three times its share of the ray


def test_gradients_by_finite_differences():
    generator = torch.Generator().manual_seed(0)
    origins, directions = rays(([0.0, 0.1, 2.8], [0.02, 0.0, -1.0]), ([0.1, 0.0, 2.8], [-0.1, 0.05, -1.0]))
    shapes = ((1, 3, 2, 4, 4), (3, 2), (3,), (3, 3), (3,))
    inputs = [torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes]
    origins, directions = origins.double(), directions.double()
    distances = kernel.sample_distances(
        inputs[0].detach(), kernel.Decoder(*(x.detach() for x in inputs[1:])), origins, directions, NEAR, FAR, 4, 3
    )

    def composite(planes, *weights):
        return kernel.composite(planes, kernel.Decoder(*weights), origins, directions, distances, FAR)

    assert torch.autograd.gradcheck(composite, inputs)


@pytest.mark.parametrize("jittered", [False, True])
def test_rays_rendered_in_pieces_are_those_rendered_together(monkeypatch, jittered):
    generator = torch.Generator().manual_seed(0)
    planes = torch.randn(2, 3, 8, 16, 16, generator=generator)
    decoder = kernel.Decoder(*(torch.randn(*shape, generator=generator) for shape in ((16, 8), (16,), (9, 16), (9,))))
    origins, directions = rays(*(([0.1, 0.0, 2.9], [0.2 * i / 50 - 0.1, 0.05, -1.0]) for i in range(50)))
    origins, directions = origins.expand(2, -1, -1), directions.expand(2, -1, -1)
    noise = torch.rand(2, 50, 12, generator=generator) if jittered else None
    monkeypatch.setattr(kernel, "RAYS_AT_ONCE", 16)
    with torch.no_grad():
        found = kernel.render(planes, decoder, origins, directions, NEAR, FAR, 8, 4, noise)
    for value, wanted in zip(found, kernel.render_plain(planes, decoder, origins, directions, NEAR, FAR, 8, 4, noise)):
        torch.testing.assert_close(value, wanted)


@pytest.mark.parametrize("fine", [0, 5])
@pytest.mark.parametrize("jittered", [False, True], ids=["still", "jittered"])
def test_decoding_each_sample_once_renders_the_same(fine, jittered):
    torch.manual_seed(0)
    planes = torch.randn(2, 3, 8, 16, 16)
    decoder = kernel.Decoder(torch.randn(16, 8), torch.randn(16), torch.randn(5, 16), torch.randn(5))
    origins = torch.tensor([0.1, 0.0, 2.7]).expand(2, 40, 3)
    directions = torch.nn.functional.normalize(0.4 * torch.rand(2, 40, 3) + torch.tensor([-0.2, -0.2, -1.0]), dim=-1)
    noise = torch.rand(2, 40, 6 + fine) if jittered else None
    arguments = planes, decoder, origins, directions, NEAR, FAR, 6, fine, noise
    wanted = kernel.render_plain(*arguments)
    with torch.no_grad():
        for found, value in zip(kernel.render(*arguments), wanted):
            torch.testing.assert_close(found, value, atol=2e-5, rtol=1e-4)
