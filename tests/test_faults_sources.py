"""Several sources of `thedit reenact`: each has a result of its own, and none is left out without a word."""

import os
from pathlib import Path

import cv2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests import video_files
from tests.test_reenact import bound, request
from tests.test_reenact import folder as folder
from tests.test_reenact import weights as weights
from thedit.errors import UserError
from thedit.methods import trained
from thedit.methods.bounds import CopySource
from thedit.reenact import pipeline, source
from thedit.reenact.request import Request

NAMES = st.sampled_from(["a.png", "a.jpg", "A.png", "a-2.png", "a-2.jpg", "a-2-2.png", "b.png"])


@given(st.lists(NAMES, min_size=2, max_size=8))
def test_every_source_has_a_file_of_its_own(names):
    outputs = Request([Path(name) for name in names], Path("d.mp4"), Path("out"), Path("w")).outputs()
    assert len(outputs) == len(names)
    assert len({str(path).lower() for path in outputs}) == len(names)
    assert outputs[0] == Path("out", names[0]).with_suffix(".mp4")


def test_what_is_no_picture_in_a_folder_is_counted(tmp_path, capsys):
    folder = tmp_path / ".hidden" / "people"
    folder.mkdir(parents=True)
    for name in ("10.png", "9.png", "clip.mp4", "notes.txt", "._9.png"):
        (folder / name).touch()
    assert source.paths([folder, Path("other.png")]) == [folder / "9.png", folder / "10.png", Path("other.png")]
    assert capsys.readouterr().err == f"{folder}: 2 files are no pictures and are not used (clip.mp4, ...)\n"


def test_of_several_faces_it_is_said_which_one_is_animated(folder, weights, tmp_path, monkeypatch):
    large = cv2.resize(video_files.portrait(), None, fx=1.5, fy=1.5)  # a third larger than the one beside it
    people = video_files.with_face(left=30, top=60, width=700, height=400)
    people[20:380, 320:680] = large
    Image.fromarray(people).save(tmp_path / "people.png")
    Image.fromarray(people[:, ::-1].copy()).save(tmp_path / "mirrored.png")
    bound(monkeypatch, CopySource)
    for name, place in (("people.png", 2), ("mirrored.png", 1)):
        path = tmp_path / name
        made = pipeline.reenact(request(folder, weights, tmp_path / f"{name}.mp4", sources=[path], driving=path))
        assert made.remarks == [
            f"{path}: shows 2 faces; number {place} from the left, the largest, is animated; crop it to choose another",
            f"{path}: shows up to 2 faces; the one that fills most of it drives; crop it to choose another",
        ]


def test_weights_that_are_a_pipe_are_refused(tmp_path):
    os.mkfifo(tmp_path / "weights.safetensors")
    with pytest.raises(UserError, match="is no file of weights"):
        trained.load(tmp_path / "weights.safetensors")
