"""The baselines' layers against the same layers written out one operation at a time, from their publications.

docs/baselines.md says which part of each publication is behind each test. Weights and inputs are random, in double
precision, so that a layer that is activated twice, scaled wrongly or left out shows.
"""

import math

import pytest
import torch
from torch.nn import functional

from thedit.methods.coefficient_triplanes import CoefficientTriplanes
from thedit.methods.fomm import Fomm
from thedit.methods.fomm.keypoints import Keypoints
from thedit.methods.fomm.motion import heat_difference, sparse_flows
from thedit.methods.lia import Lia
from thedit.methods.pyramid import pyramid_loss
from thedit.shards.synthetic import frames

SIZE = 32
BATCH = 2


def build(method):
    """The method at `SIZE` pixels in double precision, no parameter and no statistic at its initial value."""
    torch.manual_seed(0)
    network = method("tiny", SIZE).double().eval()
    with torch.no_grad():
        for value in network.parameters():
            value.add_(0.1 * torch.randn_like(value))
        for name, value in network.named_buffers():
            if name.endswith("running_mean"):
                value.normal_()
            if name.endswith("running_var"):
                value.uniform_(0.5, 2.0)
    return network.requires_grad_(False)


@pytest.fixture(scope="module")
def lia():
    return build(Lia)


@pytest.fixture(scope="module")
def fomm():
    return build(Fomm)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def leaky(x):
    return torch.where(x > 0, x, 0.2 * x)


# LIA


def equalised(x, layer, stride=1):
    """A convolution of weights scaled by their fan-in, then once bias, leaky ReLU and the gain that it takes."""
    fan_in = layer.weight[0].numel()
    x = functional.conv2d(x, layer.weight / math.sqrt(fan_in), None, stride, layer.weight.shape[-1] // 2)
    return math.sqrt(2) * leaky(x + layer.bias[:, None, None] / math.sqrt(2))


def test_lia_encoder_activates_each_convolution_once(lia):
    picture = random(BATCH, 3, SIZE, SIZE)
    encoder = lia.encoder
    x = equalised(picture, encoder.stem)
    maps = []
    for block in encoder.blocks:
        maps.append(x)
        skip = functional.conv2d(functional.avg_pool2d(x, 2), block.skip.weight / math.sqrt(x.shape[1]))
        skip = skip + block.skip.bias[:, None, None]
        x = (equalised(equalised(x, block.first), block.second, stride=2) + skip) / math.sqrt(2)
    code = x.flatten(1) @ encoder.head.weight.mT / math.sqrt(x[0].numel()) + encoder.head.bias
    found, features = encoder(picture)
    torch.testing.assert_close(found.double(), code, atol=1e-5, rtol=1e-5)  # codes leave in single precision
    for one, wanted in zip(features, reversed(maps), strict=True):
        torch.testing.assert_close(one, wanted)


def test_lia_walks_along_the_directions(lia):
    code = random(BATCH, 128)
    motion, x = lia.motion, code
    for layer in motion.hidden:
        x = leaky(x @ layer.weight.mT / math.sqrt(128) + layer.bias)
    lengths = x @ motion.last.weight.mT / math.sqrt(128) + motion.last.bias
    walk = sum(lengths[:, [i]] * direction for i, direction in enumerate(motion.directions().mT.double()))
    torch.testing.assert_close(motion(code).double(), walk, atol=1e-4, rtol=1e-4)


def modulated(x, layer, style, demodulate=True):
    """Each picture's own weights: modulated by its style and, but for the last 1 x 1, brought back to unit norm."""
    weight = layer.weight * layer.scale
    rows = []
    for one, code in zip(x, style):
        scale = layer.affine.weight @ code / math.sqrt(len(code)) + layer.affine.bias
        own = weight * scale[:, None, None]
        if demodulate:
            own = own / (own.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if getattr(layer, "up", False):
            out = functional.conv_transpose2d(one[None], own.transpose(0, 1), stride=2)
            taps = torch.tensor([1, 3, 3, 1], dtype=x.dtype) / 4
            taps = (taps[:, None] * taps).expand(out.shape[1], 1, 4, 4)
            rows.append(functional.conv2d(out, taps, padding=1, groups=out.shape[1]))
        else:
            rows.append(functional.conv2d(one[None], own, padding=own.shape[-1] // 2))
    bias = layer.bias[:, None, None]
    return math.sqrt(2) * leaky(torch.cat(rows) + bias / math.sqrt(2)) if demodulate else torch.cat(rows) + bias


def doubled(x):
    return functional.interpolate(x, scale_factor=2, mode="bilinear")


def test_lia_flow_field_generator(lia):
    code = random(BATCH, 128)
    generator = lia.generator
    x, raw = generator.start.expand(BATCH, -1, -1, -1), None
    for block, (flow, mask) in zip(generator.flows, generator.flow_fields(code), strict=True):
        x = modulated(modulated(x, block.first, code), block.second, code)
        own = modulated(x, block.output, code, demodulate=False)
        raw = own if raw is None else own + doubled(raw)
        torch.testing.assert_close(flow.double(), raw[:, :2].tanh(), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(mask.double(), 1 / (1 + (-raw[:, 2:]).exp()), atol=1e-4, rtol=1e-4)


def test_lia_refinement_activates_each_convolution_once(lia):
    level = lia.generator.refine[1]
    outputs, inputs = level.first.weight.shape[:2]
    painted, picture = random(BATCH, inputs, 8, 8), random(BATCH, 3, 8, 8, seed=1)
    warped = random(BATCH, outputs, 16, 16, seed=2)
    x = equalised(equalised(doubled(painted), level.first) + warped, level.second)
    found, colours = level(painted, picture, warped)
    torch.testing.assert_close(found, x)
    wanted = doubled(picture) + equalised(x, level.colour)
    torch.testing.assert_close(colours.double(), wanted, atol=1e-5, rtol=1e-5)


# FOMM


def block(x, layers):
    """Convolution, normalisation with the kept statistics, ReLU."""
    conv, norm, _ = layers
    x = functional.conv2d(x, conv.weight, conv.bias, padding=conv.weight.shape[-1] // 2)
    return normalised(x, norm).clamp(min=0)


def normalised(x, norm):
    mean, variance = norm.running_mean[:, None, None], norm.running_var[:, None, None]
    return (x - mean) / (variance + norm.eps).sqrt() * norm.weight[:, None, None] + norm.bias[:, None, None]


def hourglass(x, network):
    """Down blocks halve the side by averages, up blocks double it by repetition, and each meets its equal."""
    skips = []
    for down in network.down:
        skips.append(x)
        x = functional.avg_pool2d(block(x, down[0]), 2)
    for up in network.up:
        x = block(x.repeat_interleave(2, 2).repeat_interleave(2, 3), up[1])
        x = torch.cat([x, skips.pop()], 1)
    return x


def convolved(x, conv):
    return functional.conv2d(x, conv.weight, conv.bias, padding=conv.weight.shape[-1] // 2)


def test_fomm_keypoints_are_means_under_the_heat(fomm):
    picture = random(BATCH, 3, SIZE, SIZE)
    detector = fomm.detector
    features = hourglass(picture, detector.hourglass)
    heat = (convolved(features, detector.heat) / 0.1).flatten(2).softmax(-1)
    jacobian = convolved(features, detector.jacobian).flatten(2)
    steps = (torch.arange(SIZE, dtype=torch.float64) + 0.5) / SIZE * 2 - 1
    place = torch.stack([steps.repeat(SIZE), steps.repeat_interleave(SIZE)], -1)
    found = detector(picture)
    for b in range(BATCH):
        for k in range(heat.shape[1]):
            position = (heat[b, k, :, None] * place).sum(0)
            frame = (heat[b, k] * jacobian[b, 4 * k : 4 * k + 4]).sum(1).reshape(2, 2)
            torch.testing.assert_close(found.position[b, k].double(), position, atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(found.jacobian[b, k].double(), frame, atol=1e-4, rtol=1e-4)


def keypoints(seed):
    return Keypoints(0.5 * random(1, 3, 2, seed=seed), torch.eye(2) + 0.2 * random(1, 3, 2, 2, seed=seed + 1))


def test_fomm_motion_near_each_keypoint_is_affine():
    source, driving, side = keypoints(0), keypoints(2), 4
    flows, heat = sparse_flows(source, driving, side), heat_difference(source, driving, side)
    assert (flows[:, 0] == 0).all() and (heat[:, 0] == 0).all()
    for k in range(3):
        for row in range(side):
            for column in range(side):
                z = torch.tensor([column + 0.5, row + 0.5], dtype=torch.float64) * 2 / side - 1
                local = source.jacobian[0, k] @ torch.linalg.inv(driving.jacobian[0, k])  # equations 4 and 5
                there = source.position[0, k] + local @ (z - driving.position[0, k])
                torch.testing.assert_close(flows[0, k + 1, :, row, column], there - z)
                near = [(-(z - one.position[0, k]).square().sum() / 0.01).exp() for one in (driving, source)]
                torch.testing.assert_close(heat[0, k + 1, row, column], near[0] - near[1])  # equation 6


def looked_up(picture, flow):
    """``picture`` (1, C, S, S) at each pixel plus ``flow`` (1, 2, S, S), the edge repeated outside."""
    side = picture.shape[-1]
    steps = (torch.arange(side, dtype=picture.dtype) + 0.5) / side * 2 - 1
    place = torch.stack([steps.expand(side, side), steps[:, None].expand(side, side)], -1)
    return functional.grid_sample(picture, place + flow.movedim(1, -1), padding_mode="border", align_corners=False)


def test_fomm_dense_motion_mixes_what_keypoints_say(fomm):
    picture, motion = random(BATCH, 3, SIZE, SIZE), fomm.motion
    source, driving = fomm.detector(picture), fomm.detector(picture.flip(3))
    flows, heat = sparse_flows(source, driving, SIZE).double(), heat_difference(source, driving, SIZE).double()
    parts = []
    for k in range(flows.shape[1]):
        parts += [heat[:, k : k + 1], looked_up(picture, flows[:, k])]
    features = hourglass(torch.cat(parts, 1), motion.hourglass)
    weights = convolved(features, motion.mask).exp()
    weights = weights / weights.sum(1, keepdim=True)
    flow, visibility = motion(picture, source, driving)
    torch.testing.assert_close(flow.double(), (weights[:, :, None] * flows).sum(1), atol=1e-4, rtol=1e-4)
    wanted = 1 / (1 + (-convolved(features, motion.occlusion)).exp())
    torch.testing.assert_close(visibility.double(), wanted, atol=1e-4, rtol=1e-4)


def test_fomm_generator_warps_and_hides_at_its_bottleneck(fomm):
    picture, generator = random(BATCH, 3, SIZE, SIZE), fomm.generator
    side = SIZE // 2  # the tiny preset halves once
    flow, visibility = 0.1 * random(BATCH, 2, side, side), random(BATCH, 1, side, side, seed=1).sigmoid()
    first, down = generator.encoder
    x = functional.avg_pool2d(block(block(picture, first), down[0]), 2)
    features = generator.encoder(picture)
    torch.testing.assert_close(features, x)
    x = looked_up(x.float(), flow.float()).double() * visibility
    *residual, up, last = generator.decoder
    for one in residual:
        norm, _, conv, second_norm, _, second = one.body
        inner = convolved(normalised(x, norm).clamp(min=0), conv)
        x = x + convolved(normalised(inner, second_norm).clamp(min=0), second)
    x = block(x.repeat_interleave(2, 2).repeat_interleave(2, 3), up[1])
    wanted = convolved(x, last).tanh()
    torch.testing.assert_close(generator(features, flow, visibility), wanted, atol=1e-5, rtol=1e-5)


# Both


def test_the_perceptual_pyramid_halves_by_averages():
    image, target = frames(1, 64).image, frames(1, 64, seed=1).image
    halves = [functional.avg_pool2d(one, 2) for one in (image, target)]
    wanted = (pyramid_loss(image, target, smallest=64) + pyramid_loss(*halves, smallest=32)) / 2
    torch.testing.assert_close(pyramid_loss(image, target), wanted)


# Tri-planes moved by coefficients


def test_coefficients_move_the_planes_and_nothing_else():
    method = build(CoefficientTriplanes).float()
    source, driving = frames(1, SIZE), frames(1, SIZE, seed=1)
    first, second = method.mapping
    x = leaky((2 * driving.expression - 1) @ first.weight.mT / math.sqrt(52) + first.bias)
    code = x @ second.weight.mT / math.sqrt(len(first.bias)) + second.bias
    torch.testing.assert_close(method.motion_code(driving), code)
    still = method.encode(source).planes
    network = method.network
    moved = network.planes(still, method.motion_code(driving))
    raw = network.motion.generator(code)  # no dictionary: what the motion generator emits is the displacement
    displacement = functional.interpolate(raw, still.shape[-2:], mode="bilinear")
    torch.testing.assert_close(moved, (still + displacement).unflatten(1, (3, -1)), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(still, network.canonical + network.identity(method.codes(source).identity))
