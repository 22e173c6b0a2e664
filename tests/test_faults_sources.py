"""Several sources of `thedit reenact`: each has a result of its own, and none is left out without a word."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thedit.errors import UserError
from thedit.methods import trained
from thedit.reenact import source
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


def test_weights_that_are_a_pipe_are_refused(tmp_path):
    os.mkfifo(tmp_path / "weights.safetensors")
    with pytest.raises(UserError, match="is no file of weights"):
        trained.load(tmp_path / "weights.safetensors")
