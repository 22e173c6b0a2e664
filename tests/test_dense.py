"""planedict-dense: what is copied, what its losses want, and what it makes of one, two and larger pictures."""

import functools
import json
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from tests.dense_scenes import OPTIONS, SIZE, build, generator, look_from, picture_of, scrambled
from thedit import camera
from thedit.errors import UserError
from thedit.methods import registry, trained, view
from thedit.methods.dense import DensePlaneDict, truth
from thedit.methods.stream import Stream
from thedit.model.dense import blending, source
from thedit.model.dense.network import View
from thedit.model.dense.options import resolve
from thedit.model.dense.renderer import Drawing
from thedit.shards.batch import PARTS
from thedit.shards.correspondence import Correspondence
from thedit.shards.synthetic import frames, pairs
from thedit.training import checkpoint


def drawn(place, opacity, near):
    zero = torch.zeros_like(near)
    return Drawing(
        features=torch.zeros(1, 8, *near.shape[-2:]), opacity=opacity, distance=zero, offset=zero.expand(-1, 3, -1, -1),
        place=place * blending._like(opacity, place), near=near * blending._like(opacity, near),
        mirrored_place=place * blending._like(opacity, place), mirrored_near=zero,
    )  # fmt: skip


def own_places(side=16):
    return blending._pixels(torch.zeros(1, 1, side, side)) / source.WIDE


def test_a_head_that_does_not_move_is_copied_exactly():
    wide, solid = torch.rand(1, 3, 48, 48, generator=generator()), torch.ones(1, 1, 16, 16)
    shown = picture_of(wide, look_from(0.0))
    copied = blending.copy(drawn(own_places(), solid, solid), shown)
    inner = (..., slice(2, -2), slice(2, -2))  # the enlarged places are constant beyond the outermost ones
    torch.testing.assert_close(copied.picture[inner], wide[..., 8:40, 8:40][inner], atol=1e-4, rtol=0)
    assert copied.seen.eq(1).all()
    nothing = blending.copy(drawn(own_places(), 0 * solid, solid), shown)
    assert nothing.picture.eq(shown.background).all() and nothing.seen.eq(1).all()
    hidden = blending.copy(drawn(own_places(), solid, 0 * solid), shown)
    assert hidden.seen.eq(0).all()


def test_of_several_pictures_the_one_that_shows_a_point_is_copied():
    wide = torch.stack([torch.full((3, 48, 48), value) for value in (0.2, 0.8)])
    shown = picture_of(wide, look_from(0.0, 2))
    near = torch.stack([torch.zeros(1, 16, 16), torch.ones(1, 16, 16)])
    copied = blending.copy(drawn(own_places().expand(2, -1, -1, -1), torch.ones(1, 1, 16, 16), near), shown)
    torch.testing.assert_close(copied.picture, torch.full_like(copied.picture, 0.8), atol=2e-3, rtol=0)
    assert copied.seen.min() > 0.99


@torch.no_grad()
def test_the_same_picture_twice_is_one():
    method, driving = scrambled(), frames(1, SIZE, seed=3)
    once, twice = frames(2, SIZE)[:1], frames(2, SIZE)[torch.tensor([0, 0])]
    one = method.drive(method.encode(once), driving, driving.camera)
    torch.testing.assert_close(method.drive(method.encode(twice), driving, driving.camera), one, atol=1e-4, rtol=1e-4)
    both = method.drive(method.encode(frames(2, SIZE)), driving, driving.camera)
    assert both.shape == one.shape and not torch.allclose(both, one, atol=1e-3)


@torch.no_grad()
def test_a_larger_source_makes_a_larger_picture_of_the_same():
    method, driving = scrambled(), frames(1, SIZE, seed=3)
    small, large = frames(1, SIZE), frames(1, 2 * SIZE)
    small = replace(small, image=functional.avg_pool2d(large.image, 2))
    little = method.drive(method.encode(small), driving, driving.camera)
    picture = method.drive(method.encode(large), driving, driving.camera)
    assert picture.shape == (1, 3, 2 * SIZE, 2 * SIZE)
    assert (functional.avg_pool2d(picture, 2) - little).abs().mean() < 0.02


def test_gradients_change_no_picture():
    """Where nothing is learnt a processor takes another way (`thedit.kernels.looped`) to the same picture."""
    method, driving = scrambled(), frames(1, SIZE, seed=3)
    for count in (1, 2):  # pictures of the source
        taken = frames(count, SIZE)
        learning = method.drive(method.encode(taken), driving, driving.camera)
        assert learning.requires_grad
        with torch.no_grad():
            picture = method.drive(method.encode(taken), driving, driving.camera)
        off = 127.5 * (picture - learning).abs()
        assert off.max() < 0.5 and off.mean() < 0.02


def test_the_unposed_view_is_the_face_from_the_front():
    """Pictures whose pixels hold their place: the view holds where the smooth mean face is seen."""
    steps = (torch.arange(64) + 0.5) / 32 - 1
    grid = torch.stack([*torch.meshgrid(steps, steps, indexing="xy"), torch.zeros(64, 64)])
    cameras = torch.cat([look_from(0.0), look_from(30.0), look_from(80.0)])
    taken = replace(frames(3, 64), image=grid.expand(3, -1, -1, -1), camera=cameras)
    taken = replace(taken, parts=torch.full_like(taken.parts, PARTS["face"]))
    unposed = view.Unposed(32)
    seen = unposed(taken)
    wanted = (2 * camera.project(unposed.points.expand(3, -1, 3), cameras) - 1).mT.unflatten(2, (32, 32))
    torch.testing.assert_close(seen[:2, :2, 12:20, 12:20], wanted[:2, :, 12:20, 12:20], atol=1e-3, rtol=0)
    nose, cheek = seen[2, :2, 16, 16], seen[2, :2, 16, 2]  # from 80 degrees to the left
    assert nose.abs().sum() < seen[0].abs().amax() and cheek.eq(0).all()


def test_landmarks_from_the_front_do_not_follow_the_camera():
    marks = view.landmark_model("annyheads").mean.float().expand(2, -1, 3)
    cameras = torch.cat([look_from(0.0), look_from(25.0)])
    taken = replace(frames(2, SIZE), camera=cameras, landmarks=camera.project(marks, cameras))
    front = view.frontal(taken)
    torch.testing.assert_close(front[0], front[1], atol=1e-4, rtol=0)
    torch.testing.assert_close(front[0], marks[0, :, :2] - marks[0, :, :2].mean(0), atol=1e-4, rtol=0)


def answer(side=8):
    """A true correspondence of one pair, and a view that obeys it."""
    random = generator()
    uv = torch.rand(1, side, side, 2, generator=random)
    offset = 0.01 * torch.randn(1, side, side, 3, generator=random)
    solid = torch.rand(1, side, side, generator=random) > 0.3
    yes, no = torch.ones_like(solid), torch.zeros_like(solid)
    known = Correspondence(
        uv, offset, torch.full((1, side, side), 2.6), yes.byte(), solid, solid, solid, solid, ~solid, no
    )
    opacity = solid[:, None].float()
    place = (2 * (uv.movedim(-1, 1) + source.MARGIN) / source.WIDE - 1) * opacity
    drawing = Drawing(
        features=torch.zeros(1, 8, side, side), opacity=opacity, distance=2.6 * opacity,
        offset=offset.movedim(-1, 1) * opacity, place=place, near=opacity, mirrored_place=place, mirrored_near=opacity,
    )  # fmt: skip
    pictures = torch.zeros(1, 3, SIZE, SIZE)
    return known, View(pictures, pictures, pictures, 40 * (opacity - 0.5), drawing)


def test_a_view_that_obeys_the_truth_costs_nothing(monkeypatch):
    known, seen = answer()
    monkeypatch.setattr(truth, "correspond", lambda head, first, second: known)
    monkeypatch.setattr(truth, "_head", lambda device: None)
    target = pairs(1, SIZE).target
    options = resolve("tiny", OPTIONS)
    losses = truth.losses(seen, target, target, options)
    assert set(losses) == {"place", "distance", "opacity", "offset", "gate"}
    assert all(value < 1e-3 for value in losses.values())
    moved = seen._replace(drawing=seen.drawing._replace(place=seen.drawing.place + 0.1 * seen.drawing.opacity))
    wrong = truth.losses(moved, target, target, options)
    torch.testing.assert_close(wrong["place"], torch.tensor(options.place * 2 * 0.1 * source.WIDE), atol=1e-3, rtol=0)
    assert wrong["offset"] < 1e-3


def test_what_is_wrong_with_the_sources_camera_is_wrong_with_the_targets_too():
    batch = pairs(2, SIZE)
    source_, target = batch.source, batch.target
    true = [camera.join(camera.orbit(torch.tensor(yaw), 4.0, radius=3.4), camera.intrinsics(3.0))
            for yaw in ([0.0, 10.0], [35.0, -20.0])]  # fmt: skip
    known = [replace(part, surface=replace(part.surface, camera=its)) for part, its in zip((source_, target), true)]

    def fitted(yaw, pitch, radius):
        return camera.join(camera.orbit(torch.tensor(yaw), pitch, radius=radius), camera.intrinsics())

    taken = replace(known[0], camera=fitted([3.0, 13.0], 4.0, 2.5))  # by three degrees about the upright axis
    steadied = truth.steadied(taken, replace(known[1], camera=fitted([30.0, -28.0], 9.0, 2.9))).camera
    wanted = fitted([38.0, -17.0], 4.0, 2.5)
    assert camera.rotation_error(camera.split(steadied)[0], camera.split(wanted)[0]).max() < 1e-2
    torch.testing.assert_close(truth._size(steadied), truth._size(wanted))
    pivot = camera.pivot(steadied).expand(2, 1, 3)
    torch.testing.assert_close(camera.project(pivot, steadied), torch.full((2, 1, 2), 0.5), atol=1e-4, rtol=0)


def test_truth_is_asked_of_data_that_have_it():
    method, batch = build(), pairs(2, SIZE)
    batch = batch.map(lambda part: replace(part, surface=None))
    with pytest.raises(UserError, match="these tell nothing of surfaces; train planedict-dense-self"):
        method.losses(batch, 0)


def test_pictures_alone_teach_offsets_and_density():
    """Without any truth the photometric losses reach what decides where a point is looked up."""
    method = build(correspondence="self", hull=0.11, partner=0)
    batch = pairs(2, SIZE).map(lambda part: replace(part, surface=None))
    sum(method.losses(batch, 0).values()).backward()
    gradient = method.network.renderer.second.weight.grad
    assert gradient[0].abs().sum() > 0 and gradient[1:4].abs().sum() > 0


def test_what_looks_too_far_away_is_refused_in_words():
    method = build()
    turned = replace(frames(3, SIZE), camera=torch.cat([look_from(10.0), look_from(60.0), look_from(-44.0)]))
    assert method.objections(turned) == ["", "looks away by 60 degrees of yaw, at most 45 can be animated", ""]


@torch.no_grad()
def test_it_tells_where_it_looks_and_how_far_away_that_is():
    method, taken = scrambled(), frames(2, SIZE)
    told = method.geometry(method.encode(taken), taken, taken.camera)
    assert told.place.shape == (2, 16, 16, 2) and told.distance.shape == (2, 16, 16)
    drawing = method.look((code := method.encode(taken)), method.motion_of(code, taken), taken.camera).drawing
    solid = drawing.opacity[:, 0] > 0.5
    assert (told.distance[solid] - camera.RADIUS).abs().max() < 1  # the head's box
    still = told.place - blending._pixels(drawing.opacity).movedim(1, -1) / 2 - 0.5
    assert still[solid].abs().max() < 0.3  # a source that drives itself is looked up nearly where it is


@torch.no_grad()
@pytest.mark.parametrize("compiled", [False, True])
def test_streaming_is_driving(compiled, monkeypatch):
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))  # traced, not fused
    method, taken, driving = scrambled(), frames(1, SIZE), frames(1, SIZE, seed=2)
    picture = Stream(method, taken, compiled=compiled)(driving, driving.camera)
    wanted = method.drive(method.encode(taken), driving, driving.camera)
    torch.testing.assert_close(picture, wanted, atol=1e-3, rtol=1e-3)


def test_a_file_of_weights_builds_it_again(tmp_path):
    view.landmark_model.cache_clear()  # as in a new process, where the file is the first to ask for it
    method = build().eval()
    options = json.dumps(method.built())
    facts = {"method": "planedict-dense", "preset": "tiny", "size": str(SIZE), "options": options}
    checkpoint.export(tmp_path / "w.safetensors", method, {**facts, "landmarks": "annyheads", "pose": "annyheads"})
    again, settings = trained.load(tmp_path / "w.safetensors")
    assert settings.size == SIZE
    taken, driving = frames(1, SIZE), frames(1, SIZE, seed=2)
    with torch.no_grad():
        pictures = [one.cpu().drive(one.encode(taken), driving, driving.camera) for one in (method, again)]
    assert torch.equal(*pictures)


def weights(path, name, method):
    checkpoint.export(path, method, {"method": name})
    return path


def test_a_training_begins_with_weights_of_the_same_model(tmp_path):
    taught = build()
    path = weights(tmp_path / "w.safetensors", "planedict-dense", taught)
    torch.manual_seed(1)
    learner = DensePlaneDict("tiny", SIZE, **OPTIONS, correspondence="self", hull=0.11, partner=0)
    probe = learner.probe.weight.clone()
    trained.begin(learner, path)
    same = {
        name for name, value in learner.state_dict().items() if value.equal(taught.state_dict().get(name, value[:0]))
    }
    assert {name for name in learner.state_dict() if not name.startswith("probe.")} <= same
    assert learner.probe.weight.equal(probe)  # what it reads is another thing


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("planedict", {}, "holds weights of 'planedict', from which no DensePlaneDict can begin"),
        ("planedict-dense", {"hidden": 16}, r"has shape \[16\], not \[8\]; choose weights of the same preset"),
        ("planedict-dense", {"mirrored": False}, "choose weights of the same preset, size and parts"),
    ],
)
def test_weights_of_another_kind_get_a_sentence(tmp_path, name, options, words):
    path = weights(tmp_path / "w.safetensors", name, build(**options))
    with pytest.raises(UserError, match=words):
        trained.begin(build(), path)


def test_ablations_change_one_thing():
    base = registry.find("planedict-dense")
    for name in registry.names():
        if name.startswith("planedict-dense-") and "self" not in name:
            spec = registry.find(name)
            assert len(spec.options) == 1 and spec.citation.startswith(base.citation.rstrip("."))
