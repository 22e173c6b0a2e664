"""The plane-dictionary network: what its structure promises, and what its options change."""

import copy

import pytest
import torch

from thedit import camera
from thedit.errors import UserError
from thedit.kernels import planedict as kernel
from thedit.methods.planedict import PlaneDict
from thedit.model.options import PRESETS, resolve
from thedit.model.synthesis import Conv, StyledConv, upsample
from thedit.shards.synthetic import frames, pairs

SIZE = 32
SMALL = {
    "identity_code": 16,
    "motion_code": 16,
    "encoder_channel_base": 256,
    "channel_base": 256,
    "channel_max": 16,
    "plane_size": 16,
    "plane_channels": 4,
    "bases": 5,
    "grid": 8,
    "hidden": 8,
    "coarse": 4,
    "fine": 4,
    "neural_size": 16,
    "neural_start": 8,
    "growth": 2,
    "super_widths": (8, 8),
}
ABLATIONS = [
    {"canonical": False},
    {"dictionary": False},
    {"orthogonal": False},
    {"bases": 3},
    {"grid": 4},
    {"motion_condition": "fused"},
    {"motion_code": 8},
    {"identity_maps": 2},
    {"super_resolution": False},
    {"augment_driving": False},
    {"driving_view": "face"},
    {"driving_view": "face", "augment_driving": False},
    {"shared_motion": 1.0},
    {"motion_dropout": 0.5},
    {"cross_every": 0},
    {"cross_face": 0.0, "identity": 0.0, "perceptual": 0.0},
]


def build(**options):
    torch.manual_seed(0)
    return PlaneDict("tiny", SIZE, **{**SMALL, **options})


@pytest.fixture(scope="module")
def method():
    return build().eval().requires_grad_(False)


def test_planes_without_factors_are_canonical_plus_identity(method):
    network = method.network
    batch = frames(2, SIZE)
    code = network.encode(batch.image)
    still = network.static(code, batch.camera)
    moved = still + network.motion.combine(torch.zeros(2, 5, 8, 8))
    assert torch.equal(moved, network.canonical + network.identity(code.identity))


def test_without_motion_the_driver_changes_nothing():
    method = build(motion_dropout=1.0)
    codes = method.network.encode(frames(2, SIZE).image)
    pictures = []
    for motion in (codes.motion, codes.motion + 1):
        torch.manual_seed(0)
        _, made = method._forward(codes, frames(2, SIZE), motion, frames(2, SIZE).camera, 0)
        pictures.append(made.full)
    assert torch.equal(*pictures)


def test_displacement_is_linear_in_the_factors(method):
    first, second = torch.randn(2, 1, 5, 8, 8).unbind()
    combine = method.network.motion.combine
    torch.testing.assert_close(combine(2 * first - 3 * second), 2 * combine(first) - 3 * combine(second))


def test_bases_are_orthonormal(method):
    bases = method.network.motion.bases()
    assert bases.shape == (8, 8, 12, 5)
    torch.testing.assert_close(bases.mT @ bases, torch.eye(5).expand(8, 8, 5, 5), atol=2e-6, rtol=0)


def test_free_bases_are_the_parameter_itself():
    motion = build(orthogonal=False).network.motion
    assert torch.equal(motion.bases(), motion.w) and motion.w.shape == (8, 8, 12, 5)


def test_camera_alone_leaves_the_planes_bit_equal(method, monkeypatch):
    seen = []
    view = method.network.view
    monkeypatch.setattr(method.network, "view", lambda planes, *rest: seen.append(planes) or view(planes, *rest))
    batch = frames(2, SIZE)
    code = method.encode(batch)
    pictures = [
        method.drive(code, batch, camera.join(camera.orbit(yaw, 0.0), camera.intrinsics()).expand(2, 25))
        for yaw in (-20.0, 20.0)
    ]
    assert torch.equal(*seen)
    assert (pictures[0] - pictures[1]).abs().max() > 1e-3


def test_motion_depends_on_the_driver_and_identity_on_the_source(method):
    source, driver, label = frames(2, SIZE, seed=1), frames(2, SIZE, seed=2), frames(2, SIZE).camera
    code = method.encode(source)
    assert not torch.equal(method.drive(code, source, label), method.drive(code, driver, label))
    assert not torch.equal(method.drive(code, driver, label), method.drive(method.encode(driver), driver, label))


@pytest.mark.parametrize("maps", [0, 2])
def test_driving_compiles_around_what_cannot_be_traced(maps, monkeypatch):
    """On a GPU torch.compile leaves the renderer's kernels out, and takes up the frame again behind them."""
    method, source, driver = build(identity_maps=maps).eval(), frames(2, SIZE, seed=1), frames(2, SIZE, seed=2)
    renderer = method.network.renderer
    monkeypatch.setattr(renderer, "forward", torch.compiler.disable(renderer.forward))
    compiled = torch.compile(method.drive, dynamic=False, backend="eager")
    with torch.no_grad():
        code = method.encode(source)
        wanted = method.drive(code, driver, driver.camera)  # a processor sums in another order where nothing is traced
        torch.testing.assert_close(compiled(code, driver, driver.camera), wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("changes", ABLATIONS, ids=lambda changes: "-".join(changes))
def test_every_option_trains(changes):
    method = build(**changes)
    batch = pairs(2, SIZE)
    for step in range(8):
        if step not in (0, 7):
            continue
        losses = method.losses(batch, step)
        cross = changes.get("cross_every", 8) and step == 7
        assert ("cross_code" in losses) == bool(cross)
        total = sum(losses.values())
        assert total.isfinite()
        total.backward()
    network = method.network
    unused = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert not unused
    assert (network.canonical is None) == (changes.get("canonical") is False)


def test_losses_follow_torchs_seed_alone():
    batch = pairs(2, SIZE)
    method, values = build(), []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        values.append(sum(method.losses(batch, 0).values()).item())
    assert values[0] == values[1] != values[2]


def test_rendered_picture_grows():
    network = build(neural_start=8, neural_size=32, growth=30).network
    assert [network.neural_size(step) for step in (0, 9, 10, 20, 29, 30, 1000)] == [8, 8, 16, 24, 24, 32, 32]


@pytest.mark.parametrize(
    "options, words",
    [
        ({"base": 3}, "did you mean 'bases'"),
        ({"bases": 0}, "bases"),
        ({"bases": 13}, "bases: is 13"),
        ({"grid": 32}, "grid: is 32"),
        ({"plane_size": 48}, "power of two"),
        ({"identity_maps": 4}, "at most 3"),
        ({"neural_size": 4, "neural_start": 4}, "neural_size"),
    ],
)
def test_wrong_options_are_one_sentence(options, words):
    with pytest.raises(UserError, match=words):
        build(**options)


def test_unknown_preset():
    with pytest.raises(UserError, match="presets are paper, small, tiny"):
        PlaneDict("huge", SIZE)


@pytest.mark.parametrize("preset, size, least, most", [("paper", 256, 215e6, 223e6), ("small", 256, 20e6, 28e6)])
def test_sizes_of_the_presets(preset, size, least, most):
    with torch.device("meta"):
        method = PlaneDict(preset, size)
    assert least < sum(p.numel() for p in method.parameters()) < most
    assert set(PRESETS) == {"paper", "small", "tiny"} and resolve("paper", {}).bases == 20


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("side", [4, 32])
def test_gradients_change_no_layer(up, count, side):
    """Where nothing is learnt a processor takes another way (`thedit.kernels.looped`), and keeps what it prepares."""
    torch.manual_seed(0)
    layer, conv = StyledConv(6, 4, 8, up=up), Conv(4, 5, 3, stride=2)
    x, scale = torch.randn(count, 6, side, side), torch.randn(count, 6)
    added = torch.randn(count, 4, side << up, side << up)
    for _ in range(2):  # the second time with other weights
        with torch.no_grad():
            for parameter in (layer.weight, layer.bias, conv.bias):
                parameter.normal_()
        learning = layer.requires_grad_(True)(x, scale, added)
        wanted = conv(learning)
        with torch.no_grad():
            found = layer.requires_grad_(False)(x, scale, added)
            torch.testing.assert_close(found, learning, atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(conv(found), wanted, atol=1e-5, rtol=1e-5)


def test_weights_are_prepared_anew_while_they_are_learnt():
    layer, x, scale = StyledConv(6, 4, 8), torch.ones(1, 6, 4, 4), torch.ones(1, 6)
    optimiser = torch.optim.Adam([layer.weight], 0.1, fused=True)  # writes without counting, as the trainer's
    for _ in range(2):
        layer(x, scale).square().sum().backward()
        optimiser.step()
        with torch.no_grad():
            found = layer(x, scale)
        torch.testing.assert_close(found, layer(x, scale), atol=1e-5, rtol=1e-5)


def test_styled_convolution_equals_modulated_weights():
    """Equations 1 to 3 of the StyleGAN2 paper, a picture at a time."""
    torch.manual_seed(0)
    layer = StyledConv(4, 6, 8)
    x, style = torch.randn(3, 4, 7, 7), torch.randn(3, 8)
    result = layer(x, layer.affine(style))
    for i in range(3):
        weight = layer.weight * layer.scale * layer.affine(style[i])[None, :, None, None]
        weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        wanted = torch.nn.functional.conv2d(x[i : i + 1], weight, padding=1)
        wanted = torch.nn.functional.leaky_relu(wanted * 2**0.5, 0.2)
        torch.testing.assert_close(result[i : i + 1], wanted, atol=1e-5, rtol=1e-4)


def test_upsampling_convolution_enlarges_bilinearly_first():
    torch.manual_seed(0)
    layer = StyledConv(4, 6, 8, up=True)
    plain = StyledConv(4, 6, 8)
    plain.load_state_dict({**layer.state_dict(), "weight": layer.weight.flip(2, 3)})
    x, style = torch.randn(2, 4, 8, 8), torch.randn(2, 8)
    inner = (slice(None), slice(None), slice(3, -3), slice(3, -3))  # borders differ
    scale = layer.affine(style)
    torch.testing.assert_close(layer(x, scale)[inner], plain(upsample(x), scale)[inner], atol=1e-5, rtol=1e-4)


def test_bases_are_kept_while_nothing_is_learned(method, monkeypatch):
    motion = method.network.motion
    with torch.no_grad():
        first = motion.bases()
        monkeypatch.setattr(kernel, "orthonormalise", None)
        assert motion.bases() is first


def test_bases_are_made_anew_while_they_are_learnt(method):
    motion = copy.deepcopy(method.network.motion).requires_grad_(True)
    optimiser = torch.optim.Adam([motion.weight], 0.1, fused=True)  # writes without counting, as the trainer's
    for _ in range(2):
        motion.bases()[..., 0].sum().backward()
        optimiser.step()
        with torch.no_grad():
            found = motion.bases()
        torch.testing.assert_close(found, motion.bases().detach())


def test_a_farther_camera_with_a_longer_lens_sees_the_same_head(method):
    batch = frames(1, SIZE)
    code = method.encode(batch)
    near, far = (
        camera.join(camera.orbit(10.0, 0.0, radius=radius), camera.intrinsics(camera.FOCAL * radius / camera.RADIUS))
        for radius in (camera.RADIUS, 40 * camera.RADIUS)
    )
    first, second = (method.drive(code, batch, label[None]) for label in (near, far))
    assert (first - second).abs().mean() < 0.3 * (first - first.mean((2, 3), keepdim=True)).abs().mean()
