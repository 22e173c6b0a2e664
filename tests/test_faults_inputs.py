"""Inputs that would take all memory or wait for ever are a row of the QA table, and the others are used."""

import os
import signal
import struct
import tracemalloc
import zlib

import pytest
from PIL import Image

from tests import video_files
from tests.video_files import config
from thedit.errors import UserError
from thedit.media import stream
from thedit.media.files import UnreadableError
from thedit.metrics import folders
from thedit.video.preprocess import preprocess


def bomb(path, side):
    """A PNG of a few bytes that claims ``side`` x ``side`` pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    ends = chunk(b"IDAT", zlib.compress(b"\0" * 9)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + ends)
    return path


@pytest.fixture(autouse=True)
def impatient():
    """Nothing may hang."""

    def hung(*_):
        raise TimeoutError("hangs")

    before = signal.signal(signal.SIGALRM, hung)
    signal.alarm(600)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def test_bombs_and_pipes_beside_good_videos_are_rows(tmp_path):
    inputs = tmp_path / "in"
    for name in "ab":
        video_files.write(inputs / f"{name}.mp4", video_files.moving(3))
    names = ["a.mp4", "b.mp4", "c.png", "d.png", "e.mp4", "f.png"]
    bomb(inputs / "c.png", 50_000)
    bomb(inputs / "d.png", 30_000)
    os.mkfifo(inputs / "e.mp4")
    os.mkfifo(inputs / "f.png")
    (inputs / "sheet.csv").write_text("\n".join(["video", *names]) + "\n")
    tracemalloc.start()
    table = preprocess(config(tmp_path, spec="sheet: sheet.csv"), tmp_path / "out")
    assert tracemalloc.get_traced_memory()[1] < 300e6
    tracemalloc.stop()
    assert (table["status"] == "kept").sum() == 6
    reasons = table[table["status"] == "failed"].set_index("video")["reason"]
    assert sorted(reasons.index) == names[2:]
    assert reasons["c.png"] == "has 50000 x 50000 pixels, more than 100,000,000; make it smaller"
    assert reasons["d.png"] == "has 30000 x 30000 pixels, more than 100,000,000; make it smaller"
    assert reasons["e.mp4"] == reasons["f.png"] == "is no regular file"


def test_the_configuration_says_how_large_a_picture_may_be(tmp_path):
    inputs = tmp_path / "in"
    video_files.write(inputs / "small.mp4", video_files.moving(3))
    video_files.write(inputs / "wide.mp4", video_files.moving(3, width=640))
    Image.fromarray(video_files.with_face(width=640)).save(inputs / "wide.png")
    (inputs / "sheet.csv").write_text("video\nsmall.mp4\nwide.mp4\nwide.png\n")
    settings = config(tmp_path, spec="sheet: sheet.csv", max_pixels=320 * 256)
    table = preprocess(settings, tmp_path / "out").set_index("video")
    assert (table.loc[["small.mp4"], "status"] == "kept").all()
    for name in ("wide.mp4", "wide.png"):
        assert table.loc[name, "reason"] == "has 640 x 256 pixels, more than 81,920; make it smaller"
    large = bomb(inputs / "large.png", 12_000)
    assert len(stream.timeline([large], most=12_000**2).ticks) == 1
    with pytest.raises(UnreadableError, match="more than 100,000,000"):
        stream.timeline([large])


@pytest.mark.parametrize("kind", ["bomb", "pipe"])
def test_the_metrics_refuse_them_by_name(tmp_path, kind):
    if kind == "bomb":
        bomb(tmp_path / "1.png", 50_000)
    else:
        os.mkfifo(tmp_path / "1.png")
    with pytest.raises(UserError, match=r"1\.png: "):
        for files in folders.read(tmp_path).clips.values():
            list(folders.frames(files))
