"""Results whose faults are known, and how well openings are read: the tables that validity adds."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from tests.test_metrics_tables import FakeStore, measurer, protocol
from thedit.evaluation.faults import MOUTH, faults, seen
from thedit.evaluation.legible import legible
from thedit.fitting.model import landmark_model
from thedit.heads.assets import BLENDSHAPES
from thedit.metrics import tables
from thedit.metrics.scoring import TrueFrames

STAMP = {"dataset": "d", "config_hash": "c", "code_version": "v"}


class Truth:
    """True pictures are the drivers' own; in other expressions the left half is as bright as the mouth is open."""

    def __init__(self, store):
        self.store = store

    def __call__(self, rows):
        pictures = [self.store.picture(int(row)) for row in rows["driver_row"]]
        return TrueFrames(pictures, [np.ones((16, 16), bool)] * len(rows))

    def expression(self, rows):
        return torch.linspace(0.1, 0.9, len(rows))[:, None].expand(len(rows), 52)

    def render(self, rows, expression):
        pictures = np.stack(self(rows).pictures)
        pictures[:, :, :8] = (
            (200 * expression[:, BLENDSHAPES.index("jawOpen"), None, None, None]).numpy().astype(np.uint8)
        )
        return SimpleNamespace(image=pictures)


@pytest.fixture(scope="module")
def rows():
    return protocol().assign(target="truth")


def test_frozen_parts_do_not_move_and_the_rest_does(rows):
    store = FakeStore()
    made = dict(faults(rows[rows["pair"] == "a-0"], store, Truth(store)))
    assert next(iter(made)) == "true picture" and len(made) == 8
    for fault in ("frozen mouth", "frozen face"):
        left = np.stack(made[fault])[:, :, :8]
        assert (left == left[0]).all() and not np.array_equal(made[fault][0][:, 8:], made[fault][1][:, 8:])
    assert "jawOpen" in {BLENDSHAPES[number] for number in MOUTH} and "eyeBlinkLeft" not in {
        BLENDSHAPES[n] for n in MOUTH
    }
    assert np.array_equal(made["a frame late"][2], made["true picture"][1])
    assert all(np.array_equal(one, store.picture(0)) for one in made["copy of the source"])


def test_each_fault_is_measured_like_a_method(rows, tmp_path):
    store = FakeStore()
    table = seen(rows, store, measurer(), Truth(store), resamples=20, seed=0)
    tables.write(table.assign(**STAMP), tables.VALIDITY, tmp_path / "validity.parquet")
    value = table.set_index(["group", "metric", "variant"])["value"]
    assert value["flickers", "flicker", "warping-excess"] > 1 > abs(value["true picture", "flicker", "warping-excess"])
    assert value["noise", "ssim", "target"] < 0.99 < value["true picture", "ssim", "target"]
    assert value["copy of the driver", "ssim", "target"] > 0.99
    assert set(table["n_people"]) == {3} and set(table["statistic"]) == {"mean"}


def test_openings_are_read_where_the_truth_moves():
    random = np.random.default_rng(0)
    opened = random.uniform(0, 0.01, 24)
    points = landmark_model().mean[:, :2].double().repeat(24, 1, 1)
    points[:, 65:68, 1] -= torch.from_numpy(opened)[:, None]
    index = pd.DataFrame({"person": np.repeat(["a", "b"], 12), "clip": "0", "split": "test", "frame": [*range(12)] * 2})
    frames = SimpleNamespace(index=index, picture=lambda row, name="image": row)
    labels = SimpleNamespace(labels=lambda rows, name: points[rows].flatten(1))

    class Reads:
        """Networks that see the truth and tremble."""

        suite = SimpleNamespace(tracking=SimpleNamespace(name="marks", sha256="0"))

        def __call__(self, row):
            return SimpleNamespace(tracked=points[row].numpy() + random.normal(0, 2e-4, (68, 2)))

    table = legible(labels, frames, Reads()).set_index("variant")
    assert list(table.index) == ["mouth-height"] and table.loc["mouth-height", "n"] == 2
    assert 0.9 < table.loc["mouth-height", "value"] < 1
    tables.check(
        table.reset_index().assign(**STAMP).reindex(columns=list(tables.VALIDITY.columns)), tables.VALIDITY, "t"
    )
