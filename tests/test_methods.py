"""What every method keeps to, what the baselines are by construction, and that each of them learns."""

import copy
import functools
from pathlib import Path

import pytest
import torch

from thedit import camera, config
from thedit.heads import assets
from thedit.methods import registry
from thedit.methods.coefficient_triplanes import CoefficientTriplanes
from thedit.methods.conformance import check
from thedit.methods.external import External
from thedit.methods.fomm import Fomm
from thedit.methods.fomm.equivariance import Deformation, equivariance_losses
from thedit.methods.fomm.keypoints import Keypoints, inverse
from thedit.methods.fomm.motion import sparse_flows
from thedit.methods.lia import Lia
from thedit.methods.lia.directions import MotionDictionary
from thedit.methods.pyramid import pyramid_loss
from thedit.methods.warp import grid, warp
from thedit.model.options import resolve
from thedit.shards.synthetic import frames, pairs

ROOT = Path(__file__).parents[1]
SIZE = 64
SPECS = {name: registry.find(name) for name in registry.names()}
IN_TREE = [
    name
    for name, spec in SPECS.items()
    if spec.module.startswith("thedit.") and not issubclass(spec.load_class(), External)
]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(autouse=True)
def heads_at_hand(asset_file, monkeypatch):
    """Some methods learn from the truth of generated heads, for which they load the head assets."""
    monkeypatch.setattr(assets, "load", functools.partial(assets.load, asset_file))


@pytest.mark.parametrize("name", IN_TREE)
def test_every_method_keeps_to_the_interface(name):
    found = check(name)
    assert found[-2] == "pictures: 2 x 3 x 64 x 64, in [-1, 1], the same every time"


@pytest.mark.parametrize("name", [name for name in IN_TREE if SPECS[name].trained])
def test_every_parameter_of_a_trained_method_is_used(name):
    torch.manual_seed(0)
    method = SPECS[name].build("tiny", SIZE)
    for step in (0, 7):  # the tiny preset's cross-identity step is every eighth
        losses = method.losses(pairs(2, SIZE), step)
        assert all(loss.isfinite() and loss.ndim == 0 for loss in losses.values())
        sum(losses.values()).backward()
    idle = [parameter for parameter, value in method.named_parameters() if value.grad is None]
    assert not idle


@pytest.mark.parametrize("name", ["planedict", "planedict-dense", "fomm", "lia"])
def test_a_step_calls_what_may_be_compiled_and_learns_the_same(name):
    torch.manual_seed(0)
    plain, called, batch = SPECS[name].build("tiny", SIZE), set(), pairs(2, SIZE)
    compiled = copy.deepcopy(plain)
    for part in plain.compilable():
        part.register_forward_hook(lambda module, *_: called.add(module))
    for part in compiled.compilable():
        part.compile(dynamic=False, backend="eager")  # traces as any backend does, and computes as torch
    losses = []
    for method in (plain, compiled):
        torch.manual_seed(1)
        losses.append({key: loss.item() for key, loss in method.losses(batch, 0).items()})
    assert called == set(plain.compilable()) != set()
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_the_comparison_of_all_methods_leaves_out_only_what_it_says():
    settings = config.load(ROOT / "config" / "baselines.yaml")
    dense = {name for name in IN_TREE if name.startswith("planedict-dense")}  # config/dense.yaml
    assert set(IN_TREE) - dense - set(settings.methods) == {"planedict-10-bases"}
    assert set(settings.methods) <= set(IN_TREE)
    assert resolve("tiny", {}).bases == 10


def test_methods_of_two_dimensions_say_so():
    flat = {name for name in IN_TREE if not SPECS[name].load_class().camera_control}
    assert flat == {"fomm", "lia", "copy-source", "copy-driver"}


@pytest.mark.parametrize("size", [8, 16, 32])
def test_no_flow_is_no_change_at_any_size(size):
    picture = torch.rand(2, 3, 16, 16, generator=generator())
    torch.testing.assert_close(warp(picture, torch.zeros(2, 2, size, size)), picture)


def test_a_flow_moves_by_pixels():
    picture = torch.rand(1, 3, 16, 16, generator=generator())
    flow = torch.zeros(1, 2, 16, 16)
    flow[:, 0] = 2 * 3 / 16  # three pixels to the right
    torch.testing.assert_close(warp(picture, flow)[..., :-3], picture[..., 3:])


def keypoints(seed=0):
    random = generator(seed)
    jacobian = torch.eye(2) + 0.2 * torch.randn(3, 10, 2, 2, generator=random)
    return Keypoints(1.6 * torch.rand(3, 10, 2, generator=random) - 0.8, jacobian)


def test_fomm_moves_nothing_between_equal_keypoints():
    torch.testing.assert_close(
        sparse_flows(keypoints(), keypoints(), 16), torch.zeros(3, 11, 2, 16, 16), atol=1e-5, rtol=0
    )
    torch.manual_seed(0)
    method = Fomm("tiny", SIZE).eval()
    source = frames(3, SIZE)
    with torch.inference_mode():
        code = method.encode(source)
        flow, _ = method.motion(code.image, code.keypoints, code.keypoints)
    torch.testing.assert_close(flow, torch.zeros_like(flow), atol=1e-5, rtol=0)


def test_coordinates_keep_full_precision_under_autocast():
    picture = torch.rand(2, 3, 16, 16, generator=generator())
    still = torch.zeros(2, 2, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        flow = sparse_flows(keypoints(), keypoints(), 16)
        torch.testing.assert_close(flow, torch.zeros_like(flow), atol=1e-5, rtol=0)
        torch.testing.assert_close(warp(picture, still.bfloat16()), picture)


def test_singular_jacobians_have_a_finite_inverse():
    jacobian = torch.stack([torch.eye(2), torch.zeros(2, 2), torch.tensor([[2.0, 1.0], [1.0, 3.0]])])
    found = inverse(jacobian)
    assert found.isfinite().all()
    torch.testing.assert_close(found[[0, 2]], torch.linalg.inv(jacobian[[0, 2]]))


def test_fomm_moves_the_source_keypoint_to_the_driving_one():
    source, driving = keypoints(), keypoints(1)
    side = 64
    flow = sparse_flows(source, driving, side)[:, 1:]  # (3, K, 2, side, side)
    at = flow.flatten(0, 1), driving.position.reshape(-1, 1, 1, 2)
    found = torch.nn.functional.grid_sample(*at, align_corners=False).reshape(3, 10, 2)
    torch.testing.assert_close(driving.position + found, source.position, atol=1e-4, rtol=0)


def test_the_jacobian_of_a_deformation_is_its_derivative():
    torch.manual_seed(0)
    deformation = Deformation(2, torch.zeros(1, dtype=torch.float64))
    points = 1.6 * torch.rand(2, 5, 2, generator=generator(1), dtype=torch.float64) - 0.8
    numeric = torch.autograd.functional.jacobian(deformation, points)  # (2, 5, 2, 2, 5, 2)
    own = torch.stack([torch.stack([numeric[b, n, :, b, n] for n in range(5)]) for b in range(2)])
    torch.testing.assert_close(deformation.jacobian(points), own)


def test_keypoints_that_follow_a_deformation_cost_nothing():
    torch.manual_seed(0)
    deformation = Deformation(3, torch.zeros(1))
    moved = keypoints()
    original = Keypoints(deformation(moved.position), deformation.jacobian(moved.position) @ moved.jacobian)
    position, jacobian = equivariance_losses(original, moved, deformation)
    assert position < 1e-6 and jacobian < 1e-5
    assert equivariance_losses(keypoints(2), moved, deformation)[0] > 0.1


def test_a_deformed_picture_shows_the_point_that_the_deformation_names():
    torch.manual_seed(0)
    deformation = Deformation(2, torch.zeros(1))
    ramp = grid(32, 32, torch.zeros(1)).permute(2, 0, 1).expand(2, 2, 32, 32)  # each pixel holds its own place
    points = grid(32, 32, torch.zeros(1))[8:24, 8:24]
    wanted = deformation(points.reshape(1, -1, 2).expand(2, -1, -1)).mT.unflatten(-1, (16, 16))
    torch.testing.assert_close(deformation.apply(ramp)[..., 8:24, 8:24], wanted, atol=1e-5, rtol=0)


def test_lia_directions_are_orthonormal():
    torch.manual_seed(0)
    dictionary = MotionDictionary(latent=64, directions=20)
    directions = dictionary.directions()
    torch.testing.assert_close(directions.mT @ directions, torch.eye(20), atol=1e-5, rtol=0)
    walk = dictionary(torch.randn(3, 64, generator=generator()))
    torch.testing.assert_close(walk @ directions @ directions.mT, walk, atol=1e-5, rtol=1e-5)  # it stays in their span


def test_lia_directions_change_smoothly():
    torch.manual_seed(0)
    dictionary = MotionDictionary(latent=64, directions=20)
    before = dictionary.directions()
    with torch.no_grad():
        dictionary.weight.mul_(1 + 1e-6)
    torch.testing.assert_close(dictionary.directions(), before, atol=1e-5, rtol=0)


def test_a_new_lia_moves_nothing():
    torch.manual_seed(0)
    fields = Lia("tiny", SIZE).generator.flow_fields(torch.randn(2, 128, generator=generator()))
    assert [flow.shape[-1] for flow, _ in fields] == [8, 16, 32, 64]
    assert all((flow == 0).all() and (mask == 0.5).all() for flow, mask in fields)


def test_coefficient_triplanes_see_of_the_driver_only_the_coefficients():
    torch.manual_seed(0)
    method = CoefficientTriplanes("tiny", SIZE).eval()
    source, driving, other = frames(1, SIZE), frames(1, SIZE, seed=1), frames(1, SIZE, seed=2, person=1)
    view = camera.join(camera.orbit(10.0, 0.0), camera.intrinsics()).unsqueeze(0)
    with torch.inference_mode():
        code = method.encode(source)
        picture = method.drive(code, driving, view)
        other.expression.copy_(driving.expression)
        assert torch.equal(method.drive(code, other, view), picture)
        other.expression[:, 1] = 1
        assert not torch.equal(method.drive(code, other, view), picture)


def test_the_perceptual_pyramid_is_zero_for_equal_pictures_alone():
    image = frames(2, SIZE).image
    assert pyramid_loss(image, image) == 0
    assert pyramid_loss(frames(2, SIZE, seed=1).image, image) > 0.01


@pytest.mark.parametrize("name", ["fomm", "lia", "coefficient-triplanes", "planedict", "planedict-dense"])
def test_each_network_learns(name):
    """Sixty steps on one batch reduce the pictures' squared error to less than a fifth."""
    torch.manual_seed(0)
    method = SPECS[name].build("tiny", SIZE)
    optimiser = torch.optim.Adam(method.parameters(), 4e-3, betas=(0.0, 0.99))
    batch = pairs(2, SIZE)
    before = reconstruction_error(method, batch)
    for step in range(60):
        optimiser.zero_grad()
        sum(method.losses(batch, step).values()).backward()
        optimiser.step()
    assert reconstruction_error(method, batch) < before / 5


@torch.no_grad()
def reconstruction_error(method, batch):
    picture = method.drive(method.encode(batch.source), batch.target, batch.target.camera)
    return (picture - batch.target.image).square().mean()


@pytest.mark.parametrize(
    "name", ["planedict", "planedict-no-dictionary", "planedict-dense", "coefficient-triplanes", "lia"]
)
def test_motion_is_a_linear_code(name):
    method = registry.find(name).build("tiny", SIZE).eval()
    both = frames(4, SIZE)
    source, driving = both[:2], both[2:]
    with torch.no_grad():
        code = method.encode(source)
        own, driver = method.motion_of(code, source), method.motion_of(code, driving)
        assert len(driver.factors) == len(driver.style) == 2
        wanted = method.drive(code, driving, driving.camera)
        for strength, motion in {0: own, 1: driver}.items():
            moved = own.moved(strength, driver, own)
            torch.testing.assert_close(moved.factors, motion.factors)
        shown = method.show(code, own.moved(1, driver, own), driving.camera)
        torch.testing.assert_close(shown, wanted, atol=1e-4, rtol=0)
        twice = own.moved(2, driver, own).factors - own.factors
        torch.testing.assert_close(twice, 2 * (driver.factors - own.factors))
        relative = own.moved(1, driver, driver).factors
        torch.testing.assert_close(relative, own.factors)
