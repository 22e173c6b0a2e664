"""The data set's Croissant card is valid for the reference reader, and leads it to the data."""

import numpy as np
import pandas as pd
import pytest

from thedit.heads import croissant

mlcroissant = pytest.importorskip("mlcroissant", reason="the extra 'docs' is not installed")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "truth/train-0000").mkdir(parents=True)
    (tmp_path / "sheet.csv").write_text("video,person,split,start,end\nvideos/train-0000/00.mp4,train-0000,train,,\n")
    rows = {"person": ["train-0000"] * 2, "frame": np.arange(2, dtype=np.int32), "camera": [[0.5] * 25] * 2}
    pd.DataFrame(rows).to_parquet(tmp_path / "truth/train-0000/00.parquet")
    return tmp_path


def test_the_card_is_valid_and_leads_to_clips_and_frames(folder):
    data = mlcroissant.Dataset(croissant.write(folder))
    assert not data.metadata.issues.errors
    assert not [
        one for one in data.metadata.issues.warnings if "datePublished" not in one
    ]  # it is made on each machine
    assert [clip["clips/person"] for clip in data.records("clips")] == [b"train-0000"]
    frames = list(data.records("frames"))
    assert [frame["frames/frame"] for frame in frames] == [0, 1]
    np.testing.assert_allclose(np.asarray(frames[0]["frames/camera"], float).ravel(), [0.5] * 25)


def test_a_sheet_that_was_changed_afterwards_is_noticed(folder):
    card = croissant.write(folder)
    (folder / "sheet.csv").write_text("video,person,split,start,end\n")
    with pytest.raises(Exception, match=r"sheet\.csv"):
        list(mlcroissant.Dataset(card).records("clips"))
