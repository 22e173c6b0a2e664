"""True correspondence against renderings: where it says that a point is, that point's own projection is."""

from dataclasses import replace

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
from thedit.shards.surface import look
from thedit.shards.synthetic import frames as made_up
from thedit.training.augment import augment, crop, mirror

RECORDED, SIZE = 320, 256  # sides of the rendered picture and of the frame that is cut out of it
SKIN = slice(0, 8000)
BOX = torch.tensor([0.1, 0.12, 0.8])


@pytest.fixture(scope="module")
def assets(asset_file):
    return load(asset_file)


@pytest.fixture(scope="module")
def head(assets):
    return Head(assets)


@pytest.fixture(scope="module")
def rendered(assets):
    """Two frames of one person, turned apart and with different expressions, and their surfaces."""
    person = people.sample(assets, 0, 2, "train")[1]
    moves = motion.animate(np.random.default_rng(3), 40)
    two = torch.tensor([0, 39])
    expression, cameras = moves.expression[two], moves.camera[two]
    turned = camera.orbit(torch.tensor([25.0, -20.0]), torch.tensor([5.0, -5.0]), radius=3.0)
    cameras = camera.join(turned, camera.split(cameras)[1])
    light = scene.sample(np.random.default_rng(3))
    pictures = Renderer(assets, RECORDED).render(person, expression, cameras, light, maps=RECORDED // 4)
    boxes = BOX.expand(2, 3)
    return look(pictures, cameras, expression, torch.from_numpy(person.identity), boxes, SIZE // 4)


def batch_of(seen):
    """Frames with these surfaces, whose pictures and margins are smooth noise."""
    size = 4 * seen.label.shape[-1]
    wide = functional.interpolate(torch.rand(len(seen), 3, 12, 12), size=(3 * size // 2,) * 2, mode="bicubic") * 2 - 1
    camera = seen.camera
    return replace(made_up(len(seen), size), image=centre(wide), wide=wide, surface=seen, camera=camera)


def errors(head, source, target):
    """Pixels (N,), for each of N visible cells, between where the correspondence sends what it shows and where that is.

    Points are strewn over the target's skin; those that lie within a fiftieth of a cell from its centre count.
    """
    found, cells = correspond(head, source, target), target.label.shape[-1]
    triangles = head.triangles[SKIN].repeat(400, 1)
    random = torch.rand(len(triangles), 3, generator=torch.Generator().manual_seed(0)).log()
    weights = (random / random.sum(1, keepdim=True))[..., None]
    there, here = ((head.vertices(frame)[0][triangles] * weights).sum(1) for frame in (source, target))
    place = camera.project(here[None], target.camera)[0]  # (N, 2)
    cell = (place * cells).floor().long()
    centred = ((place * cells - cell - 0.5).abs() < 0.02).all(1) & ((cell >= 0) & (cell < cells)).all(1)
    column, row = cell[centred].T
    distance = (here[centred] - target.camera[0, 3:12:4]).norm(dim=-1)
    front = (found.distance[0, row, column] - distance).abs() < 0.002
    counted = front & found.visible[0, row, column] & (found.label[0, row, column] == LABELS["skin"])
    wanted = camera.project(there[centred][None], source.camera)[0]
    off = (found.uv[0, row, column] - wanted)[counted].norm(dim=-1) * SIZE
    _, cell, count = (row * cells + column)[counted].unique(return_inverse=True, return_counts=True)
    return torch.zeros(len(count)).index_add(0, cell, off) / count


def test_it_meets_the_targets_own_surface(head, rendered):
    off = errors(head, rendered[:1], rendered[1:])
    assert len(off) > 250
    assert off.quantile(0.99) < 0.3 and off.median() < 0.1


def test_it_does_after_every_augmentation(head, rendered):
    frames = batch_of(rendered)
    torch.manual_seed(0)
    box = torch.tensor([[0.07, 0.05, 0.85]]).expand(2, 3)
    for changed in (mirror(frames), crop(frames, box), crop(mirror(frames), box)):
        off = errors(head, changed.surface[:1], changed.surface[1:])
        assert len(off) > 250
        assert off.quantile(0.98) < 0.3 and off.median() < 0.1


def test_a_frame_shows_all_of_itself(head, rendered):
    found = correspond(head, rendered, rendered)
    assert (found.visible == found.valid).float().mean() > 0.999
    assert found.offset.abs().max() == 0
    here = torch.stack(torch.meshgrid(*[(torch.arange(SIZE // 4) + 0.5) * 4 / SIZE] * 2, indexing="xy"), -1)
    torch.testing.assert_close(found.uv, here.expand(2, -1, -1, -1), atol=1e-4, rtol=0)
    assert torch.equal(found.solid, rendered.label > 0) and torch.equal(found.open, found.background)


def test_a_turned_away_cheek_is_valid_but_not_visible(head, rendered):
    found = correspond(head, rendered[:1], rendered[1:])
    hidden = found.valid & ~found.visible
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
