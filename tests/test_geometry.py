"""What methods tell of where they look and how far away it is, against arithmetic and against AnnyHeads' truth."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from thedit import camera
from thedit.evaluation import correspondence
from thedit.heads import assets as head_assets
from thedit.heads import motion, people, scene
from thedit.heads.renderer import Renderer
from thedit.kernels.render import Decoder, render
from thedit.methods.base import Method
from thedit.methods.dense import DensePlaneDict
from thedit.methods.fomm import Fomm
from thedit.methods.geometry import Geometry
from thedit.methods.lia import Lia
from thedit.methods.planedict import PlaneDict
from thedit.methods.warp import grid, places, warp
from thedit.shards.correspondence import Head, correspond
from thedit.shards.surface import look
from thedit.shards.synthetic import frames

RADIUS, FAR = 0.2, 3.3


def ball(density):
    """Tri-planes and a decoder of a ball of one ``density`` about the origin, with a border as thin as the samples."""
    side = 64
    steps = (torch.arange(side) + 0.5) / side - 0.5
    squared = (steps.square()[:, None] + steps.square()).expand(1, 3, 1, side, side)  # their mean is 2 / 3 r^2
    steep = 4000.0
    inside = torch.tensor([[-1.5 * steep]]), torch.tensor([steep * RADIUS**2])
    weight1, bias1 = inside[0].expand(2, 1), torch.stack([inside[1][0], inside[1][0] - 1])
    full = math.log(math.expm1(density))  # softplus of it is the density
    off = -30.0  # softplus of it is nothing
    weight2 = torch.tensor([[full - off, off - full], [0.0, 0.0]])  # a step: the difference of two softpluses
    return squared.contiguous(), Decoder(weight1, bias1, weight2, torch.tensor([off, 0.0]))


@pytest.mark.parametrize("density", [3.0, 60.0])
def test_the_distance_of_a_ball_leaves_out_what_passes_through_it(density):
    planes, decoder = ball(density)
    origin, along = torch.tensor([[[0.0, 0.0, 2.7]]]), torch.tensor([[[0.0, 0.0, -1.0]]])
    made = render(planes, decoder, origin, along, 2.2, FAR, 400, 400)
    thickness = 2 * RADIUS * density
    opacity = 1 - math.exp(-thickness)
    mean = 1 / density - 2 * RADIUS * math.exp(-thickness) / opacity  # of where light is stopped, from the front
    assert float(made.opacity) == pytest.approx(opacity, abs=0.03)
    assert float(made.distance(FAR)) == pytest.approx(2.7 - RADIUS + mean, abs=0.01)
    if density < 10:  # half the light goes on, and was counted as far away
        assert float(made.depth) - float(made.distance(FAR)) > 0.1
    empty = render(planes, decoder, origin + torch.tensor([0.45, 0.45, 0.0]), along, 2.2, FAR, 40, 40)
    assert float(empty.opacity) < 0.001 and abs(float(empty.distance(FAR))) < 0.2


def test_planedict_says_how_far_away_its_pixels_are():
    torch.manual_seed(0)
    method = PlaneDict("tiny", 64).eval().requires_grad_(False)
    batch = frames(2, 64)
    told = method.geometry(method.encode(batch), batch, batch.camera)
    side = method.options.neural_size
    assert told.place is None and told.distance.shape == (2, side, side) and told.distance.isfinite().all()


def test_places_are_where_a_warp_looks():
    flow = 0.2 * torch.randn(1, 2, 16, 16, generator=torch.Generator().manual_seed(0))
    ramp = ((grid(16, 16, flow) + 1) / 2).movedim(-1, 0)[None]  # each pixel holds its own place
    inside = ((places(flow) > 0.04) & (places(flow) < 0.96)).all(-1)
    torch.testing.assert_close(warp(ramp, flow).movedim(1, -1)[inside], places(flow)[inside], atol=1e-5, rtol=0)


def test_planedict_dense_tells_both():
    torch.manual_seed(0)
    method = DensePlaneDict("tiny", 64).eval().requires_grad_(False)
    batch = frames(2, 64)
    told = method.geometry(method.encode(batch), batch, batch.camera)
    assert told.place.shape[0] == 2 and told.place.shape[1:3] == told.distance.shape[1:] and told.place.shape[3] == 2
    assert told.place.isfinite().all() and told.distance.isfinite().all()


@pytest.mark.parametrize("method", [Fomm, Lia])
def test_flows_are_told(method):
    torch.manual_seed(0)
    network = method("tiny", 64).eval().requires_grad_(False)
    batch = frames(2, 64)
    place = network.geometry(network.encode(batch), batch, batch.camera).place
    assert place.shape[::3] == (2, 2) and place.shape[1] == place.shape[2]
    if method is Lia:  # a new one moves nothing
        steps = (torch.arange(64) + 0.5) / 64
        torch.testing.assert_close(place[0], torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1))


class Knows(Method):
    """Tells the true places, moved by ``wrong`` pixels."""

    def __init__(self, truth, wrong):
        super().__init__()
        self.truth, self.wrong = truth, wrong

    def encode(self, source):
        return None

    def drive(self, code, driving, camera):
        raise NotImplementedError

    def geometry(self, code, driving, camera):
        return Geometry(place=self.truth + torch.tensor([self.wrong / 64, 0.0]))


class Store:
    """Two frames of a made-up store."""

    size = 64

    def batch(self, rows):
        return frames(len(rows), 64)


def test_errors_are_pixels_of_the_source(asset_file):
    heads = head_assets.load(asset_file)
    person = people.sample(heads, 0, 2, "train")[1]
    expression = motion.animate(np.random.default_rng(3), 40).expression[[0, 39]]
    pose = camera.orbit(torch.tensor([20.0, -10.0]), torch.zeros(2))
    cameras = camera.join(pose, camera.intrinsics().expand(2, 3, 3))
    light = scene.sample(np.random.default_rng(3))
    made = Renderer(heads, 64).render(person, expression, cameras, light, maps=64)
    whole = torch.tensor([0.0, 0.0, 1.0]).expand(2, 3)
    both = look(made, cameras, expression, torch.from_numpy(person.identity), whole, 32)

    class Truth:
        """Row 0 is the source, row 1 the driven frame."""

        def surface(self, rows, cells):
            assert cells == 32
            return both[torch.tensor(rows["driver_row"].to_list())]

    row = {"protocol": "self", "pair": "p", "frame": 0, "source_row": 0, "driver_row": 1}
    pairs = pd.DataFrame([row | {"source_id": "a/0", "camera": cameras[1].numpy()}])
    pairs = pd.concat([pairs, pairs.assign(pair="q", source_id="b/0")])
    known = correspond(Head(heads), both[:1], both[1:]).uv
    for wrong in (0.0, 2.0):
        table = correspondence.errors(Knows(known, wrong), Store(), Truth(), heads, pairs).set_index("variant")
        assert table.loc["self", "value"] == pytest.approx(wrong, abs=0.01) and table.loc["self", "n"] == 2
        assert table.loc["self-features", "value"] == pytest.approx(wrong, abs=0.01)
        assert table.loc["self-still", "value"] > 0.5
