"""The functional metrics against reference packages, analytic cases, and bad input."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_fid.fid_score import calculate_frechet_distance
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from thedit import camera, metrics
from thedit.metrics import classes, images, perceptual, pixel


def pictures(seed: int, count: int = 3, height: int = 40, width: int = 52) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, height, width), generator=generator, dtype=torch.uint8)


def features(seed: int, count: int, size: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(size, size, generator=generator, dtype=torch.float64) / size**0.5
    return torch.randn(count, size, generator=generator, dtype=torch.float64) @ mixing + seed


def test_psnr_and_ssim_agree_with_scikit_image():
    x, y = pictures(0), pictures(1)
    y = (x.double() * 0.7 + y.double() * 0.3).round().to(torch.uint8)
    for ours, theirs, value in zip(x.numpy(), y.numpy(), metrics.psnr(x, y)):
        assert float(value) == pytest.approx(peak_signal_noise_ratio(ours, theirs, data_range=255), abs=1e-4)
    options = {"channel_axis": 0, "data_range": 255, "gaussian_weights": True, "use_sample_covariance": False}
    for ours, theirs, value in zip(x.numpy(), y.numpy(), metrics.ssim(x, y)):
        assert float(value) == pytest.approx(structural_similarity(ours, theirs, sigma=1.5, **options), abs=1e-4)


def test_what_is_worked_on_in_strips_scores_as_in_one_piece(monkeypatch):
    x, y = pictures(0, height=75, width=640), pictures(1, height=75, width=640)
    layers = [(x.double(), y.double()), (x.float()[..., ::3, ::3], y.float()[..., ::3, ::3])]
    learned = [torch.tensor([0.2, 0.5, 0.1])] * 2
    values = {}
    for strip in (1 << 30, 1 << 12, 1):
        for module in (pixel, perceptual):
            monkeypatch.setattr(module, "STRIP", strip)
        distances = [metrics.perceptual_distance(*zip(*layers), weights) for weights in (None, learned)]
        values[strip] = torch.stack([metrics.ssim(x, y), *distances])
    for strip in (1 << 12, 1):
        torch.testing.assert_close(values[strip], values[1 << 30], rtol=1e-13, atol=0)


def test_pyramids_of_other_layers_are_an_error():
    layers = [torch.rand(1, 4, 8, 8), torch.rand(1, 8, 4, 4)]
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        metrics.perceptual_distance(layers, layers[:1])
    with pytest.raises(ValueError, match="layer 1 must have one shape"):
        metrics.perceptual_distance(layers, [layers[0], layers[1][..., :3]])


def test_uint8_and_symmetric_float_pictures_score_alike():
    x, y = pictures(0), pictures(1)
    assert torch.equal(metrics.ssim(x, y), metrics.ssim(x.double() / 127.5 - 1, y.double() / 127.5 - 1))


def test_identical_pictures():
    x = pictures(0)
    assert metrics.psnr(x, x).isinf().all()
    assert torch.allclose(metrics.ssim(x, x), torch.ones(3, dtype=torch.float64))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (torch.rand(2, 3, 16, 16), "looks like"),
        (torch.full((2, 3, 16, 16), math.nan), "not finite"),
        (torch.full((2, 3, 16, 16), 1.5), "lie in"),
        (torch.zeros(3, 16, 16), r"\(B, 3, H, W\)"),
        (torch.zeros(2, 1, 16, 16), r"\(B, 3, H, W\)"),
        (torch.zeros(0, 3, 16, 16), "no picture"),
        (torch.zeros(2, 3, 16, 16, dtype=torch.int64), "uint8 or floating"),
        (-torch.ones(1, 3, 16, 16), "one shape"),
        (-torch.ones(2, 3, 8, 16), "one shape"),
        (np.zeros((2, 3, 16, 16), np.uint8), "torch tensor"),
    ],
)
def test_bad_pictures_are_clear_errors(bad, message):
    good = -torch.ones(2, 3, 16, 16)
    with pytest.raises(ValueError, match=message):
        metrics.psnr(bad, good)


def test_psnr_of_a_region_leaves_the_rest_out():
    x, y = pictures(0), pictures(1)
    region = torch.zeros(3, 40, 52, dtype=torch.bool)
    region[:, 5:20, 7:31] = True
    assert torch.allclose(metrics.psnr(x, y, region), metrics.psnr(x[..., 5:20, 7:31], y[..., 5:20, 7:31]))
    assert torch.allclose(metrics.psnr(x, y, torch.ones_like(region)), metrics.psnr(x, y))
    assert metrics.psnr(x, y, torch.zeros_like(region)).isnan().all()
    for bad in (region[:1], region.byte()):
        with pytest.raises(ValueError, match="region must be bool"):
            metrics.psnr(x, y, bad)


def test_ssim_of_tiny_pictures_is_an_error():
    with pytest.raises(ValueError, match="at least 11"):
        metrics.ssim(pictures(0, height=10), pictures(1, height=10))


@pytest.mark.parametrize(("n", "m", "size"), [(300, 200, 16), (40, 25, 64), (64, 500, 64)])
def test_frechet_distance_agrees_with_pytorch_fid(n, m, size):
    x, y = features(1, n, size), features(2, m, size)
    reference = calculate_frechet_distance(x.mean(0).numpy(), x.T.cov().numpy(), y.mean(0).numpy(), y.T.cov().numpy())
    assert float(metrics.frechet_distance(x, y)) == pytest.approx(reference, rel=1e-3)
    moments = (x.mean(0), x.T.cov(), y.mean(0), y.T.cov())
    assert float(metrics.frechet_from_moments(*moments)) == pytest.approx(reference, rel=1e-3)


def test_frechet_distance_analytic_cases():
    x = features(1, 100, 8)
    shift = torch.arange(8, dtype=torch.float64)
    assert float(metrics.frechet_distance(x, x)) == pytest.approx(0, abs=1e-9)
    assert float(metrics.frechet_distance(x, x + shift)) == pytest.approx(float(shift.square().sum()))
    centred = x - x.mean(0)  # scaling by 2: tr(S + 4S - 2 * 2S) = tr(S)
    assert float(metrics.frechet_distance(centred, 2 * centred)) == pytest.approx(float(x.T.cov().trace()))
    few = features(3, 5, 32)  # fewer pictures than features
    assert float(metrics.frechet_distance(few, few + 1)) == pytest.approx(32)


def test_kernel_distance_is_the_mean_over_pairs_of_different_pictures():
    x, y = features(1, 6, 4), features(2, 5, 4)

    def kernel(a, b):
        return float((a @ b / 4 + 1) ** 3)

    def within(z):
        return np.mean([kernel(z[i], z[j]) for i in range(len(z)) for j in range(len(z)) if i != j])

    across = np.mean([kernel(a, b) for a in x for b in y])
    assert float(metrics.kernel_distance(x, y)) == pytest.approx(within(x) + within(y) - 2 * across)


@pytest.mark.parametrize("distance", [metrics.frechet_distance, metrics.kernel_distance])
def test_distances_between_sets_need_two_pictures(distance):
    with pytest.raises(ValueError, match="two pictures"):
        distance(features(1, 1, 4), features(2, 5, 4))
    with pytest.raises(ValueError, match="differ in number"):
        distance(features(1, 5, 4), features(2, 5, 3))
    with pytest.raises(ValueError, match="not finite"):
        distance(features(1, 5, 4) * math.nan, features(2, 5, 4))


def test_csim():
    x = torch.tensor([[1.0, 0.0], [1.0, 1.0], [math.nan, math.nan]])
    y = torch.tensor([[2.0, 0.0], [1.0, -1.0], [1.0, 0.0]])
    value = metrics.csim(x, y)
    assert value[:2].tolist() == pytest.approx([1, 0])
    assert value[2].isnan()
    with pytest.raises(ValueError, match="zero"):
        metrics.csim(torch.zeros(1, 2), torch.ones(1, 2))
    with pytest.raises(ValueError, match="two times"):
        metrics.csim(torch.ones(2, 2), torch.ones(1, 2))
    assert metrics.rescaled(torch.tensor([0.9, 0.95]), same=0.95, different=0.9).tolist() == pytest.approx([0, 1])
    with pytest.raises(ValueError, match="exceed"):
        metrics.rescaled(torch.ones(1), same=0.5, different=0.6)


def test_aed_variants():
    x, y = torch.zeros(1, 4), torch.tensor([[1.0, -1.0, 0.0, 2.0]])
    expected = {"mean-absolute": 1.0, "sum-absolute": 4.0, "l2": 6**0.5, "rmse": 1.5**0.5}
    assert {name: float(metrics.aed(x, y, name)) for name in metrics.AED} == pytest.approx(expected)
    with pytest.raises(ValueError, match="unknown variant"):
        metrics.aed(x, y, "mean")
    blendshapes = torch.zeros(4, 68, 3)
    blendshapes[3, :34, 0] = 0.5  # half of the landmarks move by 0.5 units each
    assert float(metrics.aed_landmarks(x, y, blendshapes, millimetres=500)) == pytest.approx(0.5 * 2 * 0.5 * 500)


def test_openings_are_the_distances_of_lids_lips_and_brows():
    mean, blendshapes = torch.zeros(68, 3), torch.zeros(2, 68, 3)
    mean[54, 0] = 0.1  # a mouth 50 mm wide
    blendshapes[0, 65:68, 1] = -0.02  # the lower lip falls by 10 mm
    blendshapes[1, 19, 1] = 0.01  # the right brow rises by 5 mm
    opened = metrics.openings(torch.tensor([[0.0, 0.0], [1.0, 0.5]]), mean, blendshapes, millimetres=500)
    wanted = torch.tensor([[0, 0, 0, 50, 0, 0], [0, 0, 10, 50, 2.5, 0]])
    assert torch.allclose(opened.float(), wanted)
    assert float(metrics.aed(opened[:1], opened[1:])) == pytest.approx(12.5 / 6)


def test_apd_of_known_rotations():
    reference = camera.orbit(0.0, 0.0)[None].double()
    turned = camera.orbit(torch.tensor([30.0]), 0.0).double()
    expected = {
        "geodesic-degrees": 30.0,
        "euler-mean-radians": math.radians(10),
        "euler-mean-degrees": 10.0,
        "euler-l2-degrees": 30.0,
        "euler-translation-mean": math.radians(30) / 6,
    }
    values = {name: float(metrics.apd(turned, reference, name)) for name in metrics.APD}
    assert values == pytest.approx(expected, abs=1e-4)
    closer = camera.orbit(0.0, 0.0, radius=2.1)[None].double()
    assert float(metrics.apd(closer, reference, "euler-translation-mean")) == pytest.approx(0.6 / 6, abs=1e-6)
    with pytest.raises(ValueError, match="unknown variant"):
        metrics.apd(turned, reference, "degrees")
    with pytest.raises(ValueError, match="references"):
        metrics.apd(turned, reference.expand(2, 4, 4))


def test_euler_differences_go_the_short_way_round():
    x, y = camera.orbit(torch.tensor([179.0]), 0.0), camera.orbit(torch.tensor([-179.0]), 0.0)
    assert float(metrics.apd(x, y, "euler-l2-degrees")) == pytest.approx(2, abs=1e-3)


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(range(12)), cuts=st.sets(st.integers(1, 11)), shards=st.integers(1, 3))
def test_order_batches_and_shards_change_nothing(order, cuts, shards):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(12, 5, generator=generator)
    x[4] = math.nan
    y = torch.randn(12, 5, generator=generator)
    everything = classes.CSIM()
    everything.update(x, y)
    parts = [classes.CSIM() for _ in range(shards)]
    batches = np.split(np.array(order), sorted(cuts))
    for number, batch in enumerate(batches):
        parts[number % shards].update(x[batch], y[batch])
    merged = classes.CSIM()
    for part in parts:
        if part.values:
            merged.merge_state(part)
    assert torch.equal(merged.compute(), everything.compute())
    assert (merged.n, merged.n_failed) == (11, 1)


def test_classes_agree_with_functions():
    x, y = pictures(0, 6), pictures(1, 6)
    for metric, function in ((classes.PSNR(), metrics.psnr), (classes.SSIM(), metrics.ssim)):
        for rows in (slice(0, 2), slice(2, 6)):
            metric.update(x[rows], y[rows])
        assert float(metric.compute()) == pytest.approx(float(function(x, y).mean()))
        metric.reset()
        assert metric.n == 0
        assert metric.compute().isnan()
    a, b = features(1, 60, 8), features(2, 50, 8)
    for metric, function in (
        (classes.FrechetDistance(8), metrics.frechet_distance),
        (classes.KernelDistance(), metrics.kernel_distance),
    ):
        for part in a.split(25):
            metric.update(part, reference=False)
        with pytest.raises(ValueError):
            metric.compute()
        metric.update(b, reference=True)
        assert float(metric.compute()) == pytest.approx(float(function(a, b)), rel=1e-9)


def test_reading_a_damaged_picture_names_the_file(tmp_path):
    from thedit.errors import UserError

    path = tmp_path / "broken.png"
    path.write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"broken\.png"):
        images.read(path)
