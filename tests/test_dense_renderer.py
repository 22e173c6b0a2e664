"""planedict-dense's renderer and what it looks up in a source's picture."""

from dataclasses import replace

import torch
from torch.nn import functional

from tests.dense_scenes import OPTIONS, generator, look_from, picture_of, solid_ball
from thedit import camera
from thedit.kernels import render as kernel
from thedit.model.dense import source
from thedit.model.dense.fill import fill
from thedit.model.dense.options import resolve
from thedit.model.dense.renderer import DenseRenderer, expected
from thedit.shards.synthetic import frames
from thedit.training.augment import mirror


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
