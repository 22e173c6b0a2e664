"""What is kept of unfinished preprocessing is data: damage or malice in it costs work, never a frame or a program."""

import dataclasses
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from tests import video_files
from thedit.config import Preprocess
from thedit.video.progress import Progress
from thedit.video.segment import Result, Segment, process
from thedit.video.spec import Source


class Malice:
    """Pickled, it runs a command when it is read."""

    def __init__(self, ran: Path):
        self.ran = ran

    def __reduce__(self):
        return os.system, (f"touch {self.ran}",)


@pytest.fixture
def kept(tmp_path):
    """Preprocess ten frames with progress kept often, and return the function that does it again."""
    video = video_files.write(tmp_path / "a.mp4", video_files.moving(10))
    segment = Segment(Source("a.mp4", (video,), "a", "a", "train"), 0, 10, whole=True)
    progress = Progress(tmp_path / "progress" / "00000", every=3)
    return lambda: process(segment, Preprocess(size=32), tmp_path, every_face=False, progress=progress)


def test_a_pickle_in_place_of_progress_runs_nothing(kept, tmp_path):
    undisturbed = kept()
    files = sorted((tmp_path / "progress").iterdir())
    assert {path.suffix for path in files} >= {".seen", ".fitted", ".pictures0"}
    for path in files:
        path.write_bytes(pickle.dumps(Malice(tmp_path / "ran")))
    again = kept()
    assert not (tmp_path / "ran").exists()
    assert again.rows == undisturbed.rows and len(again.frames) == len(undisturbed.frames) == 10


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_damaged_progress_is_done_again(kept, tmp_path, damage):
    undisturbed = kept()
    for path in (tmp_path / "progress").iterdir():
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes({"cut": bytes(content[: len(content) // 2]), "flipped": bytes(content), "empty": b""}[damage])
    again = kept()
    assert again.rows == undisturbed.rows
    for ours, theirs in zip(again.frames, undisturbed.frames, strict=True):
        assert all(
            np.array_equal(getattr(ours, field.name), getattr(theirs, field.name)) for field in dataclasses.fields(ours)
        )


def test_what_is_kept_comes_back_as_it_was(kept, tmp_path):
    result = kept()
    progress = Progress(tmp_path / "again")
    progress.save("result", result)
    back = progress.load("result", Result)
    assert back is not None and back.rows == result.rows and back.sha256 == result.sha256
    for ours, theirs in zip(back.frames, result.frames, strict=True):
        for field in dataclasses.fields(ours):
            mine, other = getattr(ours, field.name), getattr(theirs, field.name)
            assert type(mine) is type(other) and np.array_equal(mine, other)
            assert getattr(mine, "dtype", None) == getattr(other, "dtype", None)
