"""A run that is killed once in each of its stages, from rendering to scores, ends in the tables of one that is not."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
CONFIG = """
run: small
data:
  name: small
  heads: {train_people: 2, test_people: 2, clips_per_person: 1, frames_per_clip: 6}
  preprocess: {frames_per_shard: 12}
train: {images: 24, checkpoint_every: 8}
methods: [planedict]
evaluation: {protocols: [cross], max_clips: 2, frames_per_pair: 3}
metrics: {bootstrap: 50}
"""
TIMED = {"seconds"}  # columns of training's and prediction's tables
# In each stage: the file after which it is killed, and what it has not written by then.
STAGES = {
    "heads render": ("data/small/videos/*/*.mp4", "data/small/sheet.csv"),
    "preprocess": ("data/small/.preprocess-*/00000.parquet", "data/small/shards"),
    "train": (
        "results/small/methods/planedict/checkpoints/*.pt",
        "results/small/methods/planedict/weights.safetensors",
    ),
    "predict": ("results/small/predictions/planedict/cross/*/made.json", "results/small/predictions/*/*/*.parquet"),
    "score": ("results/small/scores/cache/**/*.npz", "results/small/scores/*.parquet"),
}
# Stands for the program thedit, and in its workers: stops when it has written a file like $LAST, and says so.
PROGRAM = f"""#!{sys.executable}
import fnmatch, os, sys, time
from contextlib import contextmanager
from pathlib import Path
from thedit import files

write = files.atomic

@contextmanager
def atomic(path):
    with write(path) as sibling:
        yield sibling
    if fnmatch.fnmatch(path, "*" + os.environ["LAST"]):
        Path("reached").write_text(" ".join(sys.argv[1:]))
        time.sleep(3600)

files.atomic = atomic
from thedit.cli import main

if __name__ == "__main__":
    main()
"""

pytestmark = pytest.mark.e2e


@pytest.fixture
def start(tmp_path, asset_file):
    """Starts the workflow in a folder of its own; its program stops after a file like ``last``, if that is said."""

    def run(name, last="none"):
        folder = tmp_path / name
        if not folder.exists():
            (folder / "data/assets").mkdir(parents=True)
            shutil.copy2(asset_file, folder / "data/assets/heads.safetensors")
            (folder / "config.yaml").write_text(CONFIG)
            (folder / "bin").mkdir()
            (folder / "bin/thedit").write_text(PROGRAM)
            (folder / "bin/thedit").chmod(0o755)
        environment = os.environ | {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "LAST": last,
        }
        command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "workflow/Snakefile", "--cores", "2"]
        command += ["--configfile", "config.yaml", "--", "results/small/metrics.parquet"]
        return folder, subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL)

    return run


def test_a_run_that_is_killed_in_every_stage_ends_in_the_same_tables(start):
    whole, run = start("whole")
    assert run.wait() == 0
    for stage, (last, later) in STAGES.items():
        folder, run = start("killed", last)
        reached = folder / "reached"
        while not reached.exists():
            assert run.poll() is None, f"the run ended before '{stage}' was reached"
            time.sleep(0.1)
        run.kill()
        run.wait()
        assert reached.read_text().startswith(stage)
        reached.unlink()
        assert list(folder.glob(last)) and not list(folder.glob(later))
    folder, run = start("killed")
    assert run.wait() == 0
    results = [place / "results/small" for place in (whole, folder)]
    tables = [path.relative_to(results[0]) for path in results[0].rglob("*.parquet")]
    assert {"metrics.parquet", "frames.parquet", "comparisons.parquet", "views.parquet"} <= set(map(str, tables))
    for table in tables:
        first, second = (place / table for place in results)
        if TIMED & set(pd.read_parquet(first).columns):
            one, two = (pd.read_parquet(path).drop(columns=TIMED, errors="ignore") for path in (first, second))
            pd.testing.assert_frame_equal(one, two)
        else:
            assert first.read_bytes() == second.read_bytes(), table
