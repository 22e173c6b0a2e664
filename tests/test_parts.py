"""Stages shared by several jobs: what they leave is what one job leaves, byte by byte, and nothing is done twice."""

import pandas as pd
import pytest

from tests import test_metrics_tables as made_up
from tests import video_files
from tests.frames import make_store
from thedit import config, locks, parts
from thedit.errors import UserError
from thedit.evaluation import pairs, predict, protocols
from thedit.heads import render
from thedit.methods.bounds import CopySource
from thedit.metrics import scoring, tables
from thedit.parts import Part
from thedit.video import plan
from thedit.video.preprocess import prepare, preprocess

HEADS = config.Heads(train_people=2, test_people=1, clips_per_person=1, frames_per_clip=2, size=64)


def two():
    return [Part(1, 2), Part(2, 2)]


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def times(folder, pattern):
    return {path: path.stat().st_mtime_ns for path in folder.rglob(pattern)}


@pytest.mark.parametrize("count", [1, 2, 3, 7, 12])
def test_parts_are_together_the_whole(count):
    units = list(range(10))
    shared = [Part(number, count).of(units) for number in range(1, count + 1)]
    assert sorted(unit for some in shared for unit in some) == units
    assert max(map(len, shared)) - min(map(len, shared)) <= 1


def test_a_part_has_a_name():
    assert parts.parse("3-of-8") == Part(3, 8) and str(Part(3, 8)) == "3-of-8"
    assert parts.parse("1-of-1").whole and not Part(1, 2).whole
    for text in ("0-of-2", "3-of-2", "1", "1-of-0", "one-of-2", "1-of-2 "):
        with pytest.raises(UserError, match=f"--part: '{text}' is no part"):
            parts.parse(text)


def test_parts_work_beside_each_other_and_beside_nobody_else(tmp_path, monkeypatch):
    settings, others = config.Data(), config.Data(name="others")
    with parts.held(tmp_path, Part(1, 2), settings):
        monkeypatch.setattr(locks, "_owner", "somebody else")
        with parts.held(tmp_path, Part(2, 2), settings):
            pass
        for part, data in [(Part(2, 3), settings), (Part(2, 2), others), (parts.WHOLE, settings)]:
            with pytest.raises(UserError, match="another run works in this folder"), parts.held(tmp_path, part, data):
                pass
        with pytest.raises(UserError), locks.held(tmp_path, shared=True, key=config.digest(settings)):  # a reader
            pass


def test_rendering(asset_file, tmp_path):
    render.render(HEADS, tmp_path / "one", asset_file, jobs=1)
    for part in two():
        render.render(HEADS, tmp_path / "two", asset_file, jobs=1, part=part)
        assert not (tmp_path / "two/sheet.csv").exists()
    made = times(tmp_path / "two", "*.mp4")
    assert len(made) == 3
    render.render(HEADS, tmp_path / "two", asset_file, jobs=1)
    assert times(tmp_path / "two", "*.mp4") == made
    assert content(tmp_path / "two") == content(tmp_path / "one")


def test_preprocessing(tmp_path, monkeypatch):
    for name in "abcd":
        video_files.write(tmp_path / "in" / f"{name}.mp4", video_files.moving(6))
    settings, out = video_files.config(tmp_path, frames_per_shard=10), tmp_path / "two"
    preprocess(settings, tmp_path / "one")
    assert prepare(settings, out) == 4
    with monkeypatch.context() as patch:
        patch.setattr(plan, "collect", None)  # a part does not look for files
        rows = [preprocess(settings, out, part=part) for part in two()]
    assert [len(some) for some in rows] == [12, 12] and not (out / "qa.parquet").exists()
    made = times(out, "*.arrow")
    with monkeypatch.context() as patch:
        patch.setattr(plan, "divide", None)  # nor does the stage open them again
        preprocess(settings, out)
    assert sorted(times(out, "*.arrow").values()) == sorted(made.values())
    (out / plan.FILE).unlink()  # as the workflow does
    assert content(out) == content(tmp_path / "one")


def test_preprocessing_follows_the_plan_of_these_settings_and_files(tmp_path):
    video_files.write(tmp_path / "in" / "a.mp4", video_files.moving(6))
    settings, out = video_files.config(tmp_path), tmp_path / "out"
    with pytest.raises(UserError, match=r"preprocess\.plan: is missing.*make it with 'thedit preprocess --plan'"):
        preprocess(settings, out, part=Part(1, 2))
    prepare(settings, out)
    with pytest.raises(UserError, match="of other settings"):
        preprocess(video_files.config(tmp_path, min_face=47), out, part=Part(1, 2))
    video_files.write(tmp_path / "in" / "b.mp4", video_files.moving(6))
    assert len(preprocess(settings, out)) == 12  # a plan of other files is made anew
    (out / plan.FILE).write_bytes(b"half a pla")
    with pytest.raises(UserError, match="damaged"):
        preprocess(settings, out, part=Part(1, 2))


def test_prediction(tmp_path):
    store = make_store(tmp_path / "shards", {f"test-{person:04d}": ("00",) for person in range(3)}, 4, 16)
    table = pairs.make("self", protocols.Protocol(kind="self"), store.index, config.Evaluation(), lambda clip: False)

    def make(folder, part=parts.WHOLE):
        return predict.predict("copy-source", CopySource("tiny", 16), store, table, tmp_path / folder, "run", part)

    whole = make("one")
    shares = [make("two", part) for part in [*two(), Part(4, 4)]]
    assert [share["pair"].nunique() for share in shares] == [2, 1, 0]
    assert not (tmp_path / "two/predictions.parquet").exists()
    made = times(tmp_path / "two", "*.png")
    pd.testing.assert_frame_equal(make("two").drop(columns="seconds"), whole.drop(columns="seconds"))
    assert times(tmp_path / "two", "*.png") == made and len(made) == 9


def test_scoring(tmp_path, monkeypatch):
    store = made_up.FakeStore()
    made_up.predict(tmp_path / "one", store, 1, failed=[2])
    labels = {"method": "one", "method_version": "1", "dataset": "fake", "protocol": "self"}

    def score(kept, part=parts.WHOLE):
        rows = scoring.score(
            made_up.protocol(), tmp_path / "one", store, made_up.measurer(), None, labels, tmp_path / kept, part
        )
        tables.write(rows, tables.SCORES, tmp_path / f"{kept}.parquet")
        return rows

    assert score("whole")["pair"].nunique() == 3
    assert [score("shared", part)["pair"].nunique() for part in two()] == [2, 1]
    with monkeypatch.context() as patch:
        patch.setattr(scoring, "_pair_rows", None)
        score("shared")
    assert (tmp_path / "shared.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    next((tmp_path / "shared").iterdir()).write_bytes(b"half a tab")
    score("shared")
    assert (tmp_path / "shared.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    made_up.predict(tmp_path / "one", store, 2)
    assert score("shared").equals(score("anew"))  # rows of other predictions are not taken
