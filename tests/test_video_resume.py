"""Preprocessing that was killed, or whose disk was full, loses little and goes on."""

import os
import resource
import signal
import subprocess
import sys

import pandas as pd
import pytest

from tests import video_files
from tests.video_files import config, content
from thedit.errors import UserError
from thedit.shards.store import FrameStore
from thedit.video.preprocess import preprocess

KILLED = """
import os
import signal
import sys
from pathlib import Path
from thedit import config
from thedit.video import preprocess

write = preprocess._write

def killed(work, number, *arguments):
    write(work, number, *arguments)
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)

preprocess._write = killed
preprocess.preprocess(config.load(sys.argv[1]), Path(sys.argv[2]))
"""


def test_a_killed_run_goes_on_after_its_last_complete_shard(tmp_path):
    for name in "abcd":
        video_files.write(tmp_path / "in" / f"{name}.mp4", video_files.moving(10))
    settings = config(tmp_path, frames_per_shard=10)
    (tmp_path / "config.yaml").write_text(settings.model_dump_json())
    out = tmp_path / "out"
    command = [sys.executable, "-c", KILLED, tmp_path / "config.yaml", out]
    assert subprocess.run(command, stderr=subprocess.DEVNULL).returncode == -signal.SIGKILL
    (work,) = out.glob(".preprocess-*")
    done = {path: path.stat().st_mtime_ns for path in work.glob("0*.arrow")}
    (work / ".00003.1.tmp.parquet").write_bytes(b"half a ta")
    (work / ".00003.1.tmp.arrow").write_bytes(b"half a sh")
    assert len(done) == 2 and not (out / "shards").exists()
    preprocess(settings, out)
    for path, time_written in done.items():
        assert (out / "shards" / path.name).stat().st_mtime_ns == time_written
    preprocess(settings, tmp_path / "undisturbed")
    for path in (tmp_path / "undisturbed" / "shards").iterdir():
        assert content(path).equals(content(out / "shards" / path.name))
    assert len(list((out / "shards").iterdir())) == 4
    assert not list(out.glob(".preprocess-*"))


COUNTED = """
import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path
from thedit import config
from thedit.video import crop, track
from thedit.video.preprocess import preprocess

def counted(function):
    def call(*arguments):
        result = function(*arguments)
        with open(sys.argv[3], "a") as log:
            log.write(function.__name__ + "\\n")
        time.sleep(0.01)
        if len(open(sys.argv[3]).readlines()) >= int(sys.argv[4]):  # the command is killed, and its workers end
            os.kill(multiprocessing.parent_process().pid, signal.SIGKILL)
            time.sleep(60)
        return result
    return call

track.Tracker.add = counted(track.Tracker.add)  # workers import this file and count too
crop.cut = counted(crop.cut)
if __name__ == "__main__":
    preprocess(config.load(sys.argv[1]), Path(sys.argv[2]), jobs=2)
"""


@pytest.mark.parametrize(
    ("clips", "length", "moments", "most"),
    [
        pytest.param(8, 10, [70], 20, id="of short clips the two in work are repeated"),
        pytest.param(1, 80, [70, 140], 40, id="of a long video as many frames as a shard has"),
    ],
)
def test_a_killed_run_of_two_jobs_repeats_at_most_a_shard(tmp_path, clips, length, moments, most):
    for name in range(clips):
        video_files.write(tmp_path / "in" / f"{name}.mp4", video_files.moving(length))
    settings = config(tmp_path, frames_per_shard=40)
    (tmp_path / "config.yaml").write_text(settings.model_dump_json())
    (tmp_path / "run.py").write_text(COUNTED)
    out, log = tmp_path / "out", tmp_path / "log.txt"
    log.touch()
    command = [sys.executable, tmp_path / "run.py", tmp_path / "config.yaml", out, log]
    never = 1_000_000
    options = dict(stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": os.getcwd()})
    for moment in moments:
        assert subprocess.run([*command, str(moment)], **options).returncode == -signal.SIGKILL
        assert not (out / "shards").exists()
    subprocess.run([*command, str(never)], check=True, **options)
    done = pd.Series(log.read_text().split()).value_counts()  # searches for faces, and pictures cut out
    assert done.between(80, 80 + most * len(moments)).all()
    preprocess(settings, tmp_path / "undisturbed")
    for path in (tmp_path / "undisturbed" / "shards").iterdir():
        assert content(path).equals(content(out / "shards" / path.name))
    assert len(FrameStore(out / "shards")) == 80
    assert [path.name for path in sorted((out / "shards").iterdir())] == ["00000.arrow", "00001.arrow"]


def test_a_full_disk_is_one_sentence_and_keeps_what_is_done(tmp_path):
    for name in "ab":
        video_files.write(tmp_path / "in" / f"{name}.mp4", video_files.moving(3 if name == "a" else 30))
    settings = config(tmp_path, frames_per_shard=30)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))  # room for the first shard alone
    try:
        with pytest.raises(UserError, match=r"segments/00001/00000\.\w+: cannot be written .*; free space"):
            preprocess(settings, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    (work,) = (tmp_path / "out").glob(".preprocess-*")
    assert sorted(path.name for path in work.iterdir()) == ["00000.arrow", "00000.parquet", "segments"]
    preprocess(settings, tmp_path / "out")
    assert len(FrameStore(tmp_path / "out" / "shards")) == 33
    assert os.path.exists(tmp_path / "out" / "contact_sheet.png")
