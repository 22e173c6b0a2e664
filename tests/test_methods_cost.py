"""The measured columns: right where they can be worked out, and one row a method."""

import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from thedit import config
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
    assert measured["frames_per_second"] > 0
    assert measured["peak_mib"] >= 0


def test_every_method_of_a_run_has_a_row(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    methods = ["lia", "fomm", "copy-driver", "liveportrait"]
    settings = config.Config(run="r", methods=methods)
    for name, images in [("lia", 800), ("fomm", 1600)]:
        folder = tmp_path / "results/r/methods" / name
        folder.mkdir(parents=True)
        save_file(
            {"x": torch.zeros(1)}, folder / "weights.safetensors", {"images": json.dumps(images), "seconds": "90.0"}
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
