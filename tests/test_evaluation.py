"""Pairs and predictions over a small store of made-up frames."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from tests.frames import make_store
from thedit import camera, config
from thedit.errors import UserError
from thedit.evaluation import pairs, predict, protocols
from thedit.files import sha256
from thedit.methods.base import Method
from thedit.methods.bounds import CopyDriver, CopySource

SIZE, FRAMES = 16, 7
PEOPLE = {"test-0000": ("00", "01"), "test-0001": ("00", "01"), "test-0002": ("00",), "train-0000": ("00",)}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("shards"), PEOPLE, FRAMES, SIZE)


def made(store, protocol, known=True, **limits):
    evaluation = config.Evaluation(**limits)
    return pairs.make(protocol.kind, protocol, store.index, evaluation, lambda clip: known)


def protocol(kind, **options):
    return protocols.Protocol(kind=kind, **options)


def ids(table):
    return list(table[["source_id", "driver_id"]].drop_duplicates().itertuples(index=False, name=None))


def test_self_drives_a_clip_with_its_other_frames(store):
    table = made(store, protocol("self"))
    assert ids(table) == [(f"{p}/{c}",) * 2 for c in ("00", "01") for p in PEOPLE if c in PEOPLE[p] and "test" in p]
    assert set(table["target"]) == {"driver"}
    first = store.index.groupby(["person", "clip"])["frame"].transform("min") == store.index["frame"]
    assert first[table["source_row"]].all()
    assert not first[table["driver_row"]].any()
    assert (table.groupby("pair").size() == FRAMES - 1).all()
    assert list(table[table["pair"] == "test-0000-00"]["frame"]) == list(range(FRAMES - 1))


def test_cross_takes_the_next_other_person_cyclically(store):
    table = made(store, protocol("cross"), max_clips=3)
    names = ["test-0000/00", "test-0001/00", "test-0002/00"]
    assert ids(table) == list(zip(names, [*names[1:], names[0]]))
    assert set(table["target"]) == {"truth"}
    assert set(made(store, protocol("cross"), known=False)["target"]) == {"none"}
    for source, driver in ids(made(store, protocol("cross"))):
        assert source.split("/")[0] != driver.split("/")[0]


def test_frames_of_a_pair_are_spread_evenly_over_the_clip(store):
    table = made(store, protocol("cross"), max_clips=2, frames_per_pair=3)
    chosen = store.index["frame"][table[table["pair"] == table["pair"][0]]["driver_row"]]
    assert list(chosen) == [0, 6, 12]


def test_the_camera_of_a_row_is_the_drivers(store):
    table = made(store, protocol("cross"))
    np.testing.assert_array_equal(np.stack(table["camera"]), store.column("camera")[table["driver_row"]])
    angles = camera.angles(camera.split(torch.tensor(np.stack(table["camera"])))[0])
    np.testing.assert_allclose(table[["yaw", "pitch"]], angles[:, :2], atol=1e-3)


def test_multiview_sweeps_one_driven_frame_and_keeps_the_head_in_place(store):
    table = made(store, protocol("multiview", yaw=[-40, 0, 40], pitch=[-20, 20]), max_clips=2)
    one = table[table["pair"] == "test-0000-00"]
    assert one["driver_row"].nunique() == 1
    np.testing.assert_allclose(one["yaw"], [-40, 0, 40, 0, 0], atol=1e-3)
    np.testing.assert_allclose(one["pitch"], [0, 0, 0, -20, 20], atol=1e-3)
    cameras = torch.tensor(np.stack(one["camera"]))
    driving = torch.from_numpy(store.column("camera")[one["driver_row"].iloc[0]])
    pivot = torch.tensor([camera.PIVOT])
    expected = camera.project(pivot, driving).expand(5, 1, 2)
    torch.testing.assert_close(camera.project(pivot.expand(5, 1, 3), cameras), expected, atol=1e-4, rtol=0)
    assert set(table["target"]) == {"truth"}


def test_one_drives_all_others(store):
    table = made(store, protocol("one-to-all", driver="test-0002/00"))
    assert {driver for _, driver in ids(table)} == {"test-0002/00"}
    assert [source for source, _ in ids(table)] == ["test-0000/00", "test-0001/00", "test-0000/01", "test-0001/01"]
    with pytest.raises(UserError, match="'nobody/00' is no clip"):
        made(store, protocol("one-to-all", driver="nobody/00"))


def test_a_list_pairs_what_it_says(store, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("source,driver\ntest-0001/01,test-0000/00\n")
    assert ids(made(store, protocol("list", pairs=str(path)))) == [("test-0001/01", "test-0000/00")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("source\ntest-0000/00\n", "no column 'driver'"),
        ("source,driver\ntest-0000/00,test-0009/00\n", "driver: 'test-0009/00' is no clip"),
        (None, "cannot be read as CSV"),
    ],
)
def test_a_wrong_list_is_one_sentence(store, tmp_path, text, words):
    path = tmp_path / "mine.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=words) as error:
        made(store, protocol("list", pairs=str(path)))
    assert "mine.csv" in str(error.value)


def test_a_protocol_without_pairs_is_an_error(store):
    with pytest.raises(UserError, match="no pair can be formed"):
        made(store, protocol("cross", split="validation"))
    with pytest.raises(UserError, match="no pair can be formed"):
        made(store, protocol("cross"), max_clips=1)


def test_protocol_files_are_found_and_checked(tmp_path):
    for name in ("self", "cross", "multiview", "one-to-all"):
        assert protocols.find(name).kind == name
    with pytest.raises(UserError, match="'selfie' needs the file config/protocols/"):
        protocols.find("selfie")
    (tmp_path / "odd.yaml").write_text("kind: cross\nyaws: [3]\n")
    with pytest.raises(UserError, match=r"odd\.yaml: yaws: unknown key; did you mean 'yaw'"):
        protocols.find("odd", tmp_path)
    (tmp_path / "empty.yaml").write_text("kind: multiview\n")
    with pytest.raises(UserError, match="needs angles"):
        protocols.find("empty", tmp_path)


def test_predictions_are_the_methods_pictures_as_uint8(store, tmp_path):
    rows = made(store, protocol("cross"), max_clips=2, frames_per_pair=3)
    table = predict.predict("copy-driver", CopyDriver("tiny", SIZE), store, rows, tmp_path, "a")
    assert list(table.columns) == predict.COLUMNS
    assert (table["status"] == "ok").all()
    for row, entry in zip(rows.itertuples(), table.itertuples()):
        path = tmp_path / row.pair / f"{row.frame:04d}.png"
        np.testing.assert_array_equal(np.array(Image.open(path)), store.picture(row.driver_row))
        assert entry.sha256 == sha256(path)
        assert (tmp_path / "previews" / f"{row.pair}.mp4").stat().st_size > 0
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "predictions.parquet"), table)


def test_a_method_without_camera_control_has_no_multiview(store, tmp_path):
    rows = made(store, protocol("multiview", yaw=[-10, 10]))
    table = predict.predict("copy-source", CopySource("tiny", SIZE), store, rows, tmp_path, "a")
    assert len(table) == len(rows)
    assert set(table["status"]) == {"not applicable"}
    assert set(table["reason"]) == {"no camera control"}


class Faulty(Method):
    """Right at first, then of the wrong size, then not finite."""

    calls = 0

    def encode(self, source):
        return None

    def drive(self, code, driving, camera):
        self.calls += 1
        picture = driving.image.clone()
        return {1: picture, 2: picture[..., :8]}.get(self.calls, picture * float("nan"))


def test_faulty_frames_are_rows_with_reasons(store, tmp_path):
    rows = made(store, protocol("cross"), max_clips=2, frames_per_pair=3)
    table = predict.predict("faulty", Faulty(), store, rows, tmp_path, "a")
    assert list(table["status"]) == ["ok", *["failed"] * 5]
    assert "shape (1, 3, 16, 8), not (1, 3, 16, 16)" in table["reason"][1]
    assert "not finite" in table["reason"][2]
    assert not (tmp_path / rows["pair"][0] / "0001.png").exists()


def test_finished_pairs_are_kept_and_other_ones_removed(store, tmp_path):
    rows = made(store, protocol("cross"), max_clips=2, frames_per_pair=2)
    first, second = rows["pair"].unique()
    before = predict.predict("copy-driver", CopyDriver("tiny", SIZE), store, rows, tmp_path, "a")
    (tmp_path / second / "made.json").unlink()
    (tmp_path / "stale").mkdir()
    stamps = {pair: (tmp_path / pair / "0000.png").stat().st_mtime_ns for pair in (first, second)}
    after = predict.predict("copy-driver", CopyDriver("tiny", SIZE), store, rows, tmp_path, "a")
    assert (tmp_path / first / "0000.png").stat().st_mtime_ns == stamps[first]
    assert (tmp_path / second / "0000.png").stat().st_mtime_ns > stamps[second]
    assert not (tmp_path / "stale").exists()
    pd.testing.assert_series_equal(before["sha256"], after["sha256"])
    predict.predict("copy-driver", CopyDriver("tiny", SIZE), store, rows, tmp_path, "b")
    assert (tmp_path / first / "0000.png").stat().st_mtime_ns > stamps[first]
    assert json.loads((tmp_path / first / "made.json").read_text())["run"] == "b"
