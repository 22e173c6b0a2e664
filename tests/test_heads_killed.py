"""A renderer that is killed loses nothing that it finished, and a rerun ends in the bytes of an undisturbed run."""

import os
import signal
import subprocess
import sys
import time

import pytest

from thedit import config
from thedit.heads import render

HEADS = config.Heads(train_people=3, test_people=1, clips_per_person=2, frames_per_clip=6, size=64)
RUN = """
import sys
from thedit import config
from thedit.heads import render

if __name__ == "__main__":
    heads = config.Heads.model_validate_json(sys.argv[1])
    render.render(heads, sys.argv[2], sys.argv[3], jobs=int(sys.argv[4]))
"""


@pytest.fixture(scope="module")
def undisturbed(asset_file, tmp_path_factory):
    out = tmp_path_factory.mktemp("heads") / "undisturbed"
    render.render(HEADS, out, asset_file, jobs=1)
    return contents(out)


def contents(folder):
    """The bytes of every file, by its place in the folder."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("jobs", "clips"), [(1, 3), (2, 2)])
def test_a_killed_renderer_loses_nothing(asset_file, tmp_path, undisturbed, jobs, clips):
    (tmp_path / "run.py").write_text(RUN)
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, tmp_path / "run.py", HEADS.model_dump_json(), out, asset_file.absolute(), str(jobs)],
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        start_new_session=True,
    )
    while len(list(out.glob("truth/*/[0-9]*.parquet"))) < clips:
        assert process.poll() is None
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = {path: path.stat().st_mtime_ns for path in out.glob("truth/*/[0-9]*.parquet")}
    assert clips <= len(kept) < 8
    assert not (out / "sheet.csv").exists()
    begun = out / "videos" / "test-0000" / f".01.{process.pid}.tmp.mp4"
    begun.parent.mkdir(parents=True, exist_ok=True)
    begun.write_bytes(b"half a video")
    render.render(HEADS, out, asset_file, jobs=1)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept, "what was finished is not made again"
    assert contents(out) == undisturbed
