"""The measured columns: right where they can be worked out, and one row a method."""

import json
import os
import subprocess
import sys

import pandas as pd
import pytest
import torch
import typer
from safetensors.torch import save_file
from torch import nn
from typer.testing import CliRunner

from thedit import config
from thedit.cli import cost as command
from thedit.evaluation import cost
from thedit.methods.base import Method


class Known(Method):
    """One 3 x 3 convolution from 3 to 5 channels to encode, one 1 x 1 from 5 to 3 to drive."""

    def __init__(self, preset, size):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 5, 3, padding=1), nn.Conv2d(5, 3, 1)

    def encode(self, source):
        return self.first(source.image)

    def drive(self, code, driving, camera):
        return self.second(code).tanh()


class Spec:
    """As much of a spec as measuring needs."""

    def build(self, preset, size):
        return Known(preset, size)


@pytest.mark.parametrize(
    "device",
    ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))],
)
def test_what_can_be_worked_out(device):
    measured = cost.profile(Spec(), "tiny", 32, device)
    assert measured["parameters"] == 3 * 5 * 9 + 5 + 5 * 3 + 3
    assert measured["encode_gflops"] == pytest.approx(2 * 3 * 5 * 9 * 32 * 32 / 1e9)
    assert measured["drive_gflops"] == pytest.approx(2 * 5 * 3 * 32 * 32 / 1e9)
    low, middle, high = (measured[f"frames_per_second{which}"] for which in ("_low", "", "_high"))
    assert 0 < low <= middle <= high
    assert measured["busy"] == (high > cost.BUSY * low)
    assert measured["peak_mib"] >= 0


def test_every_method_of_a_run_has_a_row(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    methods = ["lia", "fomm", "copy-driver", "liveportrait"]
    settings = config.Config(run="r", methods=methods)
    for name, images, seconds in [("lia", 800, "90.0"), ("fomm", 1600, "180.0")]:
        folder = tmp_path / "results/r/methods" / name
        folder.mkdir(parents=True)
        save_file(
            {"x": torch.zeros(1)}, folder / "weights.safetensors", {"images": json.dumps(images), "seconds": seconds}
        )
    table = cost.measure(settings).set_index("method")
    assert list(table.index) == methods
    assert list(table["trained_by"]) == ["this run", "this run", "nobody", "its authors"]
    assert list(table["training_images"].iloc[:2]) == [800, 1600]
    assert table["training_hours"].iloc[0] == 0.025
    assert not table["equal_budget"].any()  # one saw more pairs than the other
    assert list(table["reason"]) == ["", "", "copies a picture", "runs in an environment of its own"]
    measured = ["parameters", "encode_gflops", "drive_gflops", "frames_per_second", "peak_mib"]
    assert (table.loc[["lia", "fomm"], measured] > 0).all(axis=None)
    assert table.loc[["copy-driver", "liveportrait"], measured].isna().all(axis=None)


def test_a_run_that_only_copies_has_empty_columns(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "copies.yaml"
    path.write_text("run: copies\nmethods: [copy-source, copy-driver]\n")
    app = typer.Typer()
    command.register(app)
    app.callback()(lambda: None)
    done = CliRunner().invoke(app, ["cost", "--config", str(path)], catch_exceptions=False)
    assert done.exit_code == 0 and "copy-driver" in done.stdout and "busy:" not in done.stdout
    table = pd.read_parquet(tmp_path / "results/copies/cost.parquet")
    assert list(table["method"]) == ["copy-source", "copy-driver"]
    assert table[cost.MEASURED].isna().all(axis=None)


def test_a_machine_that_was_busy_is_said(monkeypatch):
    seconds = iter([0.01] * 9 + [0.011] * 6 + [0.01] * 6 + [0.03] * 6 + [0.01] * 6)
    monkeypatch.setattr(cost, "_seconds", lambda *_: next(seconds))
    rates = cost._rates(None, None, None, "cpu")
    assert [round(rate, 1) for rate in rates] == [100.0, 90.9, 100.0, 33.3, 100.0]
    assert max(rates) > cost.BUSY * min(rates)


def test_threads_that_wait_sleep():
    """Set before torch is imported, in this process and in those that it starts."""
    code = "import thedit.cli, os, sys; print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["PASSIVE", "False"]


def test_a_budget_is_pairs_or_hours():
    table = pd.DataFrame({"training_images": [800, 1600], "training_hours": [0.7, 0.705]})
    assert cost.alike(table)
    assert not cost.alike(table.assign(training_hours=[0.7, 0.8]))
    assert cost.alike(table.assign(training_images=800, training_hours=[0.1, 0.8]))
