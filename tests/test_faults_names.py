"""Names of people and clips, however long and odd, name one folder each and never a place outside."""

import os
import re

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.frames import make_store
from thedit import config
from thedit.errors import UserError
from thedit.evaluation import pairs, predict, protocols
from thedit.methods.bounds import CopySource
from thedit.metrics import tables

NAMES = st.text(st.characters(exclude_characters="/", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=80)
CLIPS = st.builds(lambda person, clip: f"{person}/{clip}", NAMES, NAMES)


@given(st.lists(st.tuples(CLIPS, CLIPS), min_size=1, max_size=6, unique=True))
@settings(max_examples=200, deadline=None)
def test_every_pair_has_a_name_of_its_own_that_a_folder_can_have(paired):
    names = pairs.pair_names(paired)
    assert len({name.casefold() for name in names}) == len(paired)
    for name in names:
        assert tables.PAIR.fullmatch(name)
        assert len(os.fsencode(f".{name}.1234567.tmp.mp4")) <= 255
    assert pairs.pair_names(paired) == names


def test_ordinary_names_can_be_read():
    paired = [("test-0000/00", "test-0000/00"), ("test-0000/00", "test-0001/01")]
    assert pairs.pair_names(paired) == ["test-0000-00", "test-0000-00--test-0001-01"]


def test_clips_whose_names_run_together_keep_their_pictures_apart(tmp_path):
    people = {"test-a-b": ("c",), "test-a": ("b-c",)}
    store = make_store(tmp_path / "shards", people, 3, 16)
    table = pairs.make("self", protocols.Protocol(kind="self"), store.index, config.Evaluation(), lambda clip: False)
    assert table["pair"].nunique() == 2
    made = predict.predict("copy-source", CopySource("tiny", 16), store, table, tmp_path / "made", "run")
    assert made.groupby("pair")["sha256"].nunique().tolist() == [1, 1] and made["sha256"].nunique() == 2


LONG = "顔" * 80


@pytest.mark.parametrize("person", [LONG, "test {brace}", "<script>alert(1)</script>", "..", "a\u202eb", "-rf", "~"])
def test_odd_and_long_names_come_through(tmp_path, person):
    store = make_store(tmp_path / "shards", {f"test-{person}": (person,), "test-other": ("00",)}, 3, 16)
    protocol = protocols.Protocol(kind="cross")
    table = pairs.make("cross", protocol, store.index, config.Evaluation(), lambda clip: False)
    folder = tmp_path / "made"
    made = predict.predict("copy-source", CopySource("tiny", 16), store, table, folder, "run")
    assert (made["status"] == "ok").all() and len(made) == 6
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {*table["pair"], "previews"}
    assert set(table["source_id"]) == {f"test-{person}/{person}", "test-other/00"}


@pytest.mark.parametrize("pair", ["../../elsewhere", "/elsewhere", "a/b", "", ".", "..", "-", "x" * 300, "a\n"])
def test_a_table_cannot_name_another_folder(tmp_path, pair):
    store = make_store(tmp_path / "shards", {"test-a": ("00",), "test-b": ("00",)}, 3, 16)
    table = pairs.make("self", protocols.Protocol(kind="self"), store.index, config.Evaluation(), lambda clip: False)
    table.assign(pair=pair, frame=range(len(table))).to_parquet(tmp_path / "pairs.parquet", index=False)
    with pytest.raises(UserError, match=r"pairs\.parquet: pair: "):
        tables.read(tmp_path / "pairs.parquet", tables.PAIRS)
    assert pd.api.types.is_object_dtype(table["camera"]) and re.fullmatch(r"[\w-]+", table["pair"][0])


@pytest.mark.parametrize("name", ["../self", "a b", "x;touch y", "{x}", "$(x)", ""])
def test_protocols_are_called_by_plain_names(name):
    with pytest.raises(UserError, match=r"evaluation\.protocols"):
        config.parse({"evaluation": {"protocols": [name]}}, config.Config, "config.yaml")
