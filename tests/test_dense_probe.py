"""The linear reading of the expression that planedict-dense is trained with."""

import pytest
import torch
from torch import nn

from thedit.heads import assets
from thedit.heads.assets import BLENDSHAPES
from thedit.methods.dense import probe
from thedit.model.dense.options import resolve
from thedit.shards.synthetic import pairs


@pytest.fixture
def actions(asset_file, monkeypatch):
    heads = assets.load(asset_file)
    monkeypatch.setattr(probe.assets, "load", lambda: heads)
    probe._actions.cache_clear()
    yield probe._actions(torch.device("cpu"))
    probe._actions.cache_clear()


def test_lids_count_as_much_as_the_jaw(actions):
    moved = actions.unflatten(1, (68, 3)).norm(dim=-1).amax(1)  # (52,), of the landmark that each moves most
    jaw, lids, brows = (moved[BLENDSHAPES.index(name)] for name in ("jawOpen", "eyeBlinkLeft", "browOuterUpLeft"))
    assert lids == pytest.approx(jaw.item(), rel=0.01)
    assert brows > jaw / 3


def test_a_code_that_is_the_expression_is_read_without_error_in_any_precision(actions):
    batch = pairs(2, 32)
    reading = nn.Linear(52, 68 * 3)
    with torch.no_grad():
        reading.weight.copy_(actions.T)
        reading.bias.zero_()
    codes = (batch.source.surface.expression, batch.driver.surface.expression)
    options = resolve("tiny", {"motion_code": 52})
    with torch.autocast("cpu", torch.bfloat16):
        assert probe.loss(reading, options, *codes, batch.source, batch.driver) < 1e-9
        assert probe.loss(reading, options, *codes[::-1], batch.source, batch.driver) > 1e-3
