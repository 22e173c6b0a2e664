"""That planedict-dense learns, on two cores in minutes: what it makes of people whom it never saw.

The mouth is not asked for: it comes last, after more pairs than minutes on two cores see.
"""

import pytest
import torch
from torch.nn import functional

from tests.filmed_heads import film
from thedit.heads import assets
from thedit.methods.dense import DensePlaneDict, probe, truth
from thedit.model.dense.renderer import expected
from thedit.model.dense.source import to_frame
from thedit.shards.batch import TrainBatch
from thedit.shards.correspondence import Head, correspond
from thedit.training.augment import augment

SIZE, MOMENTS, CAST, UNSEEN = 64, 12, 20, 6
STEPS, PAIRS, RATE = 400, 8, 0.002
MILLIMETRES = 500  # a world unit has so many


@pytest.fixture(scope="module")
def heads(asset_file):
    return assets.load(asset_file)


@pytest.fixture(scope="module")
def learned(heads):
    """A method after `STEPS` steps, in float32 on one thread: the same numbers every time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    patch, head = pytest.MonkeyPatch(), Head(heads)
    patch.setattr(truth, "_head", lambda device: head)
    patch.setattr(probe.assets, "load", lambda: heads)
    torch.manual_seed(0)
    frames = film(heads, "train", CAST, MOMENTS, SIZE)
    method = DensePlaneDict("tiny", SIZE, neural_size=16, neural_start=16)
    optimiser = torch.optim.Adam(method.parameters(), RATE, betas=(0.0, 0.99))
    for step in range(STEPS):
        optimiser.zero_grad()
        sum(method.losses(augment(_pairs(frames)), step).values()).backward()
        optimiser.param_groups[0]["lr"] = RATE * min(1.0, 3 * (1 - step / STEPS))
        optimiser.step()
    yield method.eval()
    patch.undo()
    torch.set_num_threads(threads)


def _pairs(frames):
    """Pairs of one person, half of them driven by the one who gives the same performance."""
    target = torch.randint(CAST * MOMENTS, (PAIRS,))
    person, moment = target // MOMENTS, target % MOMENTS
    source = person * MOMENTS + torch.randint(MOMENTS, (PAIRS,))
    other = (target + MOMENTS * torch.randint(1, CAST, (PAIRS,))) % (CAST * MOMENTS)
    double = torch.where(torch.rand(PAIRS) < 0.5, (person ^ 1) * MOMENTS + moment, target)
    return TrainBatch(frames[source], frames[target], frames[other], frames[double])


@pytest.fixture(scope="module")
def seen(learned, heads):
    """Unseen people driven by those who give the same performance: what is made of them, and the truth."""
    frames = film(heads, "test", UNSEEN, MOMENTS, SIZE)
    target = torch.arange(UNSEEN * MOMENTS)
    source, double = target // MOMENTS * MOMENTS, (target // MOMENTS ^ 1) * MOMENTS + target % MOMENTS
    source, wanted, driver = frames[source], frames[target], frames[double]
    with torch.no_grad():
        code = learned.encode(source)
        view = learned.look(code, learned.motion_of(code, driver), wanted.camera)
    return source, wanted, view, correspond(Head(heads), source.surface, wanted.surface)


def _cells(values, known):
    return functional.adaptive_avg_pool2d(values, known.label.shape[-1])


@pytest.mark.slow
def test_heads_are_opaque_and_nothing_else(seen):
    _, _, view, known = seen
    head = _cells(view.drawing.opacity, known)[:, 0] > 0.5
    both = (head & known.solid).sum() / (head | known.solid).sum()
    assert both > 0.65


@pytest.mark.slow
def test_surfaces_are_where_they_are(seen):
    _, _, view, known = seen
    distance = _cells(expected(view.drawing.distance, view.drawing.opacity), known)[:, 0]
    error = (distance - known.distance)[known.valid & (_cells(view.drawing.opacity, known)[:, 0] > 0.5)]
    assert error.abs().mean() * MILLIMETRES < 20


@pytest.mark.slow
def test_points_are_looked_up_where_they_are(seen):
    _, _, view, known = seen
    place = _cells(to_frame(expected(view.drawing.place, view.drawing.opacity)), known).movedim(1, -1)
    steps = (torch.arange(known.label.shape[-1]) + 0.5) / known.label.shape[-1]
    still = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1)
    moved, unmoved = ((found - known.uv)[known.visible].norm(dim=-1).mean() * SIZE for found in (place, still))
    assert moved < 0.8 and moved < 0.7 * unmoved  # pixels


@pytest.mark.slow
def test_the_picture_is_nearer_to_the_truth_than_the_source(seen):
    source, wanted, view, known = seen
    head = functional.interpolate(known.solid[:, None].float(), (SIZE, SIZE))
    error = [(((picture - wanted.image) * head).square().sum() / head.sum()) for picture in (view.full, source.image)]
    assert error[0] < error[1] / 2
