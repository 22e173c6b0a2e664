"""planedict-dense: each part by itself, what its losses want, and what it makes of one, two and larger pictures."""

import functools
import json
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from thedit import camera
from thedit.errors import UserError
from thedit.kernels import render as kernel
from thedit.methods import registry, trained, view
from thedit.methods.dense import DensePlaneDict, truth
from thedit.methods.stream import Stream
from thedit.model.dense import blending, source
from thedit.model.dense.fill import fill
from thedit.model.dense.network import View
from thedit.model.dense.options import resolve
from thedit.model.dense.renderer import DenseRenderer, Drawing, expected
from thedit.shards.batch import PARTS
from thedit.shards.correspondence import Correspondence
from thedit.shards.synthetic import frames, pairs
from thedit.training import checkpoint
from thedit.training.augment import mirror

SIZE = 32
OPTIONS = {"encoder_channel_base": 256, "channel_base": 256, "channel_max": 32, "identity_code": 16,
           "motion_code": 8, "plane_size": 16,
           "plane_channels": 8, "grid": 8, "bases": 4, "hidden": 8, "neural_size": 16, "neural_start": 16,
           "super_widths": (16, 8), "source_channels": 6}  # fmt: skip


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def build(**options):
    torch.manual_seed(0)
    return DensePlaneDict("tiny", SIZE, **{**OPTIONS, **options})


@torch.no_grad()
def scrambled(**options):
    """A method whose offsets are not zero, ready to drive."""
    method = build(**options).eval()
    method.network.renderer.second.weight[1:4].normal_(generator=generator(1))
    return method


def look_from(yaw, count=1):
    return camera.join(camera.orbit(yaw, 0.0), camera.intrinsics()).expand(count, -1)


def picture_of(wide, cameras, distance=2.7, features=None):
    """A source that shows a flat surface everywhere at one distance from its camera."""
    count, side = len(wide), wide.shape[-1] * 2 // 3
    return source.Source(
        wide=wide,
        camera=source.wide_camera(cameras),
        features=torch.zeros(count, 6, side, side) if features is None else features,
        distance=torch.full((count, 1, 24, 24), distance),
        background=torch.zeros(count, 3, side, side),
        background_features=torch.zeros(count, 6, side, side),
        kept=torch.ones(count, 1, 16, 16),
    )


def test_filling_keeps_what_it_may_and_takes_the_rest_from_around():
    picture = torch.rand(2, 3, 32, 32, generator=generator())
    kept = torch.ones(2, 1, 32, 32)
    kept[..., 10:20, 8:24] = 0
    filled = fill(picture, kept)
    torch.testing.assert_close(torch.where(kept > 0, filled, 0), torch.where(kept > 0, picture, 0))
    assert not torch.equal(filled, picture)
    assert picture.min() <= filled.min() and filled.max() <= picture.max()
    left, right = torch.zeros(1, 1, 32, 32), torch.zeros(1, 1, 32, 32)
    left[..., :16], right[..., :8], right[..., 24:] = 1, 1, 1
    halves = fill(left, right)  # the nearer side wins
    assert halves[..., 16, 9] > 0.6 and halves[..., 16, 22] < 0.4


def test_a_picture_without_a_margin_repeats_its_edge():
    image = torch.rand(2, 3, 32, 32, generator=generator())
    wide = source.wide(replace(frames(2, 32), image=image, wide=None))
    assert wide.shape == (2, 3, 48, 48)
    assert torch.equal(wide[..., 8:40, 8:40], image) and torch.equal(wide[..., 20, 0], image[..., 12, 0])


def test_places_in_the_wide_picture_are_places_in_the_frame():
    cameras, points = look_from(20.0, 2), 0.3 * torch.randn(2, 50, 3, generator=generator())
    place = 2 * camera.project(points, source.wide_camera(cameras)) - 1
    torch.testing.assert_close(source.to_frame(place), camera.project(points, cameras), atol=1e-5, rtol=0)


def test_a_point_is_looked_up_where_the_camera_sees_it():
    cameras = look_from(-15.0, 2)
    steps = (torch.arange(48) + 0.5) / 24 - 1
    grid = torch.stack([*torch.meshgrid(steps, steps, indexing="xy"), torch.zeros(48, 48)]).expand(2, -1, -1, -1)
    points = 0.1 * torch.randn(2, 40, 3, generator=generator()) + torch.tensor(camera.PIVOT)
    seen = source.look(picture_of(grid, cameras), points)
    torch.testing.assert_close(seen.colour[..., :2], seen.place, atol=1e-4, rtol=0)  # each pixel holds its own place


def test_what_lies_behind_the_shown_surface_is_not_near():
    cameras = look_from(0.0)
    away = torch.tensor([2.5, 2.65, 2.7, 2.75, 2.9])
    points = cameras[:, 3:12:4][:, None] + away[None, :, None] * cameras[:, 2:11:4][:, None]  # along the camera's axis
    seen = source.look(picture_of(torch.zeros(1, 3, 48, 48), cameras), points)
    torch.testing.assert_close(seen.near[0, 2], torch.tensor(1.0))
    assert (seen.near[0, [0, 4]] < 1e-3).all() and (seen.behind[0].diff() > 0).all()


def test_the_mirrored_point_is_the_point_in_the_mirrored_picture():
    taken = replace(frames(2, 32), camera=look_from(25.0, 2), image=torch.rand(2, 3, 32, 32, generator=generator()))
    points = 0.1 * torch.randn(2, 40, 3, generator=generator()) + torch.tensor(camera.PIVOT)
    there = source.look(picture_of(source.wide(taken), taken.camera), points * torch.tensor([-1.0, 1.0, 1.0]))
    flipped = mirror(taken)
    here = source.look(picture_of(source.wide(flipped), flipped.camera), points)
    torch.testing.assert_close(there.colour, here.colour, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(there.near, here.near, atol=1e-4, rtol=1e-4)


def test_features_end_with_the_frame_and_colours_with_the_margin():
    cameras, wide = look_from(0.0), torch.ones(1, 3, 48, 48)
    shown = picture_of(wide, cameras, features=torch.ones(1, 6, 16, 16))
    seen = source.look(shown, torch.tensor([[[0.0, 0.0, 0.2], [0.4, 0.0, 0.2]]]))  # the second in the margin
    assert seen.features[0, 0].eq(1).all() and seen.features[0, 1].eq(0).all()
    assert seen.colour.eq(1).all()


def test_the_kernels_decoder_is_the_renderers_density():
    renderer = DenseRenderer(resolve("tiny", OPTIONS))
    planes = torch.randn(2, 3, 8, 16, 16, generator=generator())
    points = torch.rand(2, 30, 3, generator=generator()) - 0.5
    logit, offset, _ = renderer._field(kernel.sample_planes(planes, points), 1)
    torch.testing.assert_close(renderer.density(planes, points), functional.softplus(logit))
    assert offset.eq(0).all()  # at the beginning nothing moves


def solid_ball(renderer, size=16):
    """Planes whose density is a ball about the pivot: feature 0 of each plane is high near its projection."""
    steps = (torch.arange(64) + 0.5) / 64 - 0.5
    planes = torch.zeros(1, 3, 8, 64, 64)
    for index, (across, down) in enumerate(kernel.PLANE_AXES):
        x, y = steps - camera.PIVOT[across], (steps - camera.PIVOT[down])[:, None]
        planes[0, index, 0] = 300 * (0.02 - x.square() - y.square())
    with torch.no_grad():
        renderer.first.weight.zero_()
        renderer.first.weight[:, 0] = 8.0
        renderer.second.weight[0], renderer.second.bias[0] = 1.0, -4.0
    return planes


def test_rendered_places_are_where_the_rendered_points_are_seen():
    """The place of a solid surface's point in the source is that of the point at its rendered distance."""
    torch.manual_seed(0)
    renderer = DenseRenderer(resolve("tiny", {**OPTIONS, "coarse": 64, "fine": 96}))
    planes, there, here = solid_ball(renderer), look_from(30.0), look_from(-10.0)
    with torch.no_grad():
        shown = picture_of(torch.zeros(1, 3, 48, 48), there)
        drawing = renderer(planes, shown, here, 32)
    solid = drawing.opacity[0, 0] > 0.99
    assert 50 < solid.sum() < 900
    origins, directions = camera.rays(here, 32)
    distance = expected(drawing.distance, drawing.opacity).flatten(1)
    points = origins + distance[..., None] * directions
    wanted = (2 * camera.project(points, shown.camera) - 1).mT.unflatten(2, (32, 32))
    off = (expected(drawing.place, drawing.opacity) - wanted)[0].norm(dim=0)[solid]
    assert off.max() < 0.02  # of a picture 2 wide: a ray's samples spread a little about the surface


def test_opacity_and_distance_are_those_of_the_kernel():
    torch.manual_seed(0)
    renderer = DenseRenderer(resolve("tiny", {**OPTIONS, "coarse": 64, "fine": 96}))
    planes, cameras = solid_ball(renderer), look_from(15.0)
    with torch.no_grad():
        drawing = renderer(planes, picture_of(torch.zeros(1, 3, 48, 48), cameras), cameras, 32)
        distance, opacity = renderer.surface(planes, cameras, 32)
    torch.testing.assert_close(drawing.opacity, opacity, atol=0.02, rtol=0)
    solid = opacity > 0.99
    torch.testing.assert_close(expected(drawing.distance, opacity)[solid], distance[solid], atol=0.01, rtol=0)


def test_rays_drawn_in_pieces_are_those_drawn_together(monkeypatch):
    torch.manual_seed(0)
    renderer = DenseRenderer(resolve("tiny", OPTIONS))
    renderer.second.weight.data[1:4].normal_()
    shown = picture_of(torch.rand(2, 3, 48, 48), look_from(0.0, 2), features=torch.rand(2, 6, 32, 32))
    planes, cameras = torch.randn(2, 3, 8, 16, 16), look_from(15.0)
    together = renderer(planes, shown, cameras, 8)
    monkeypatch.setattr("thedit.model.dense.renderer.RAYS_AT_ONCE", 24)
    with torch.no_grad():
        pieces = renderer(planes, shown, cameras, 8)
    for found, wanted in zip(pieces, together, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


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


def test_places_have_the_gradient_of_finite_differences():
    torch.manual_seed(0)
    renderer = DenseRenderer(resolve("tiny", {**OPTIONS, "coarse": 8, "fine": 8}))
    cameras, planes = look_from(10.0), torch.randn(1, 3, 8, 16, 16, generator=generator())
    shown = picture_of(torch.rand(1, 3, 48, 48, generator=generator()), cameras)
    weight = renderer.second.weight.detach().clone()
    weight[1:4] = torch.randn(3, 8, generator=generator())

    def place(changed):
        return torch.func.functional_call(renderer, {"second.weight": changed}, (planes, shown, cameras, 4)).place.sum()

    (found,) = torch.autograd.grad(place(weight.requires_grad_()), weight)
    with torch.no_grad():
        for index in range(1, 4):  # the three directions of the offset
            step = torch.zeros_like(weight)
            step[index, 0] = 1e-2
            slope = (place(weight + step) - place(weight - step)) / 2e-2
            torch.testing.assert_close(found[index, 0], slope, rtol=1e-2, atol=1e-3)


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
