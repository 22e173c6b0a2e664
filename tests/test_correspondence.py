"""True correspondence against renderings: where it says that a point is, that point's own projection is."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from torch.nn import functional

from thedit import camera
from thedit.heads import motion, people, scene
from thedit.heads.assets import LABELS, load
from thedit.heads.renderer import Renderer
from thedit.shards.batch import TrainBatch, centre
from thedit.shards.correspondence import Head, correspond
from thedit.shards.surface import look, pack, unpack
from thedit.shards.synthetic import frames as made_up
from thedit.training.augment import _mirror_camera, augment, crop, mirror

RECORDED, SIZE = 320, 256  # sides of the rendered picture and of the frame that is cut out of it
BOX = torch.tensor([0.1, 0.12, 0.8])


@pytest.fixture(scope="module")
def assets(asset_file):
    return load(asset_file)


@pytest.fixture(scope="module")
def head(assets):
    return Head(assets)


class Filmed:
    """Frames of somebody, what shards keep of their surfaces, and what a rendering shows at any cell's centre."""

    def __init__(self, assets, index, yaws, pitches):
        self.person = people.sample(assets, 0, index + 1, "train")[index]
        moves = motion.animate(np.random.default_rng(index), 20 * len(yaws))
        self.expression = moves.expression[::20]
        turned = camera.orbit(torch.tensor(yaws), torch.tensor(pitches), radius=3.0)
        self.cameras = camera.join(turned, camera.split(moves.camera[::20])[1])
        self.light = scene.sample(np.random.default_rng(index))
        seen = self.render(Renderer(assets, RECORDED), self.cameras, RECORDED // 4)
        identity, boxes = torch.from_numpy(self.person.identity), BOX.expand(len(yaws), 3)
        self.surface = unpack(pack(look(seen, self.cameras, self.expression, identity, boxes, SIZE // 4)))
        self.small = Renderer(assets, SIZE // 4)

    def render(self, renderer, cameras, maps):
        return renderer.render(self.person, self.expression, cameras, self.light, recorded=self.cameras, maps=maps)

    def errors(self, head, source, target, change=lambda surface: surface, flip=False):
        """Pixels by which visible cells of frame ``target`` miss where the rendered point is in frame ``source``.

        Frames are changed alike; what is in a mirror is rendered before it. Returns the errors of the cells whose
        centres show the head's own surface, and how many others there are.
        """
        changed = change(self.surface)
        found = correspond(head, changed[source : source + 1], changed[target : target + 1])
        unchanged = replace(changed, camera=_mirror_camera(changed.camera)) if flip else changed
        shown = self.render(self.small, unchanged.camera, SIZE // 4)
        triangle, weights = torch.from_numpy(shown.triangle[target]).long(), torch.from_numpy(shown.barycentric[target])
        weights = torch.cat([weights, 1 - weights.sum(-1, keepdim=True)], -1)
        there = head.vertices(self.surface[source : source + 1])[0]
        place = (there[head.triangles[triangle.clamp(min=0)]] * weights[..., None]).sum(-2).flatten(0, 1)
        wanted = camera.project(place[None], unchanged.camera[source : source + 1]).view(SIZE // 4, SIZE // 4, 2)
        if flip:
            wanted = (wanted * torch.tensor([-1.0, 1.0]) + torch.tensor([1.0, 0.0])).flip(1)
        own = torch.from_numpy(shown.mask[target] < LABELS["lashes"])
        own, visible = own.flip(1) if flip else own, found.visible[0]
        off = (found.uv[0] - wanted).norm(dim=-1) * SIZE
        return off[visible & own], int((visible & ~own).sum())


@pytest.fixture(scope="module")
def cast(assets):
    """People with and without beard, glasses, hats, scarves and long hair, in six frames each."""
    yaws, pitches = [25.0, -20.0, 0.0, 50.0, -45.0, 5.0], [5.0, -5.0, 15.0, 0.0, 8.0, -20.0]
    return [Filmed(assets, index, yaws, pitches) for index in (0, 1, 3, 5)]


@pytest.fixture(scope="module")
def rendered(cast):
    """Two frames of one person, turned apart and with different expressions: their surfaces."""
    return cast[1].surface[:2]


def batch_of(seen):
    """Frames with these surfaces, whose pictures and margins are smooth noise."""
    size = 4 * seen.label.shape[-1]
    wide = functional.interpolate(torch.rand(len(seen), 3, 12, 12), size=(3 * size // 2,) * 2, mode="bicubic") * 2 - 1
    camera = seen.camera
    return replace(made_up(len(seen), size), image=centre(wide), wide=wide, surface=seen, camera=camera)


PAIRS = [(0, 1), (1, 0), (2, 3), (3, 4), (4, 5), (5, 2)]
TURNED = torch.tensor([[0.07, 0.05, 0.85]])


def augmented(*changes):
    """What `changes` of frames make of a surface."""

    def change(surface):
        frames = batch_of(surface)
        for one in changes:
            frames = one(frames)
        return frames.surface

    return change


def cut(frames):
    return crop(frames, TURNED.expand(len(frames), 3))


@pytest.mark.parametrize("changes", [(), (mirror,), (cut,), (mirror, cut)], ids=["as filmed", "mirror", "crop", "both"])
def test_each_visible_cell_meets_the_rendering(head, cast, changes):
    torch.manual_seed(0)
    found = [one.errors(head, *pair, augmented(*changes), flip=mirror in changes) for one, pair in product(cast, PAIRS)]
    off, covered = torch.cat([off for off, _ in found]), sum(covered for _, covered in found)
    assert len(off) > 5000
    # where the edge of one surface is seen before another, the processor's rounding decides which of them is met
    assert (off >= 0.3).sum() <= len(off) / 5000 and off.median() < 0.05
    assert covered < 0.005 * len(off), "thin strands that no cell beside shows"


def test_most_of_what_the_source_shows_of_the_head_is_visible(head, cast):
    for one, (source, target) in product(cast, PAIRS[:2]):
        found = correspond(head, one.surface[source : source + 1], one.surface[target : target + 1])
        surface = found.shown & (found.label < LABELS["lashes"])
        assert (surface & found.visible).sum() > 0.5 * surface.sum()


def test_a_frame_shows_all_of_itself(head, rendered):
    found = correspond(head, rendered, rendered)
    assert (found.shown == found.valid).float().mean() > 0.99
    assert found.offset.abs().max() == 0
    here = torch.stack(torch.meshgrid(*[(torch.arange(SIZE // 4) + 0.5) * 4 / SIZE] * 2, indexing="xy"), -1)
    torch.testing.assert_close(found.uv, here.expand(2, -1, -1, -1), atol=1e-4, rtol=0)
    assert torch.equal(found.solid, rendered.label > 0) and torch.equal(found.open, found.background)


def test_a_turned_away_cheek_is_valid_but_not_visible(head, rendered):
    found = correspond(head, rendered[:1], rendered[1:])
    hidden = found.valid & ~found.shown
    assert 0.02 < hidden.float().mean() < found.valid.float().mean()
    assert found.offset[found.visible].norm(dim=-1).max() > 0.005, "the expression moves what is visible"


def test_augment_moves_wide_picture_and_surface_alike(rendered):
    source = batch_of(rendered)
    for driver in (source, batch_of(rendered)):
        torch.manual_seed(1)
        changed = augment(TrainBatch(source, source, source, driver))
        assert (changed.driver is changed.target) == (driver is source)
        for part in (changed.source, changed.target, changed.driver):
            assert torch.equal(centre(part.wide), part.image)
            torch.testing.assert_close(part.surface.camera, part.camera)
        assert not torch.equal(changed.target.surface.label, source.surface.label)
        assert torch.equal(changed.target.surface.label, changed.driver.surface.label)
