"""Predictions that were damaged are made again by the command that the error names."""

import pandas as pd
import pytest

from tests.frames import make_store
from thedit import config
from thedit.errors import UserError
from thedit.evaluation import pairs, predict, protocols
from thedit.methods.bounds import CopySource
from thedit.metrics.scoring import _check

PEOPLE = {"test-0000": ("00",), "test-0001": ("00",)}


@pytest.mark.parametrize("damage", ["cut", "flipped", "missing", "no record", "foreign record", "a record cut short"])
def test_what_score_refuses_predict_makes_again(tmp_path, damage):
    store = make_store(tmp_path / "shards", PEOPLE, 4, 16)
    table = pairs.make("self", protocols.Protocol(kind="self"), store.index, config.Evaluation(), lambda clip: False)
    folder = tmp_path / "predictions"
    first = predict.predict("copy-source", CopySource("tiny", 16), store, table, folder, "run")
    name, frame = first.loc[2, ["pair", "frame"]]
    path, record = folder / name / f"{frame:04d}.png", folder / name / "made.json"
    content = path.read_bytes()
    times = {other: other.stat().st_mtime_ns for other in folder.glob("*/*.png")}
    match damage:
        case "cut":
            path.write_bytes(content[:40])
        case "flipped":
            path.write_bytes(content[:-20] + bytes([content[-20] ^ 1]) + content[-19:])
        case "missing":
            path.unlink()
        case "no record":
            record.unlink()
        case "foreign record":
            record.write_text("[]")
        case _:
            record.write_text(record.read_text()[:30])
    if damage in ("cut", "flipped", "missing"):
        with pytest.raises(UserError):
            _check(path, first.loc[2, "sha256"])
    second = predict.predict("copy-source", CopySource("tiny", 16), store, table, folder, "run")
    pd.testing.assert_frame_equal(second.drop(columns="seconds"), first.drop(columns="seconds"))
    _check(path, first.loc[2, "sha256"])
    for other, time in times.items():  # pairs without damage are kept
        assert (other.stat().st_mtime_ns == time) == (other.parent.name != name)
