"""The small run on a real Slurm, one of its trainings cancelled in the middle: the tables of a run on one machine."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
CONFIG = ".test/config.yaml"
RUN = Path("results/test")
SNAKEMAKE = [sys.executable, "-m", "snakemake", "--configfile", CONFIG]
QUICK = [
    *("--slurm-init-seconds-before-status-checks", "3", "--latency-wait", "5", "--max-threads", "2"),
    *("--slurm-status-command", "squeue"),  # there is no accounting
    *("--jobs", "4", "--slurm-keep-successful-logs"),
]
PATH = f"{os.environ['PATH']}:/usr/sbin"
MISSING = [name for name in ("sbatch", "slurmctld", "slurmd", "munged") if not shutil.which(name, path=PATH)]

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(bool(MISSING), reason=f"needs Slurm and munge; missing: {', '.join(MISSING)}"),
]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """The environment in which Slurm's commands find a cluster of one node."""
    folder = tmp_path_factory.mktemp("slurm")
    script = ROOT / "tests/slurm.sh"
    subprocess.run([script, "start", folder], check=True, timeout=60)
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    yield os.environ | {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": path, "PYTHONPATH": str(ROOT)}
    subprocess.run([script, "stop", folder], check=True, timeout=60)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with what a run needs beside the installed package."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("workflow", "config", ".test"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / "data").mkdir()
    for name in ("data/annyheads.yaml", "environment.yml"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def jobs(environment, rule):
    """Numbers of the running jobs of a rule and of its wildcards."""
    command = ["squeue", "--noheader", "--states=RUNNING", "--format=%i %k"]
    listed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    return [line.split()[0] for line in listed.splitlines() if line.split()[1:] == [rule]]


def table(path):
    """A table without what differs from machine to machine and from folder to folder."""
    return pd.read_parquet(path).drop(columns=["device", "packages"], errors="ignore")


def test_a_run_on_slurm_with_a_cancelled_training_ends_in_the_tables_of_a_local_run(slurm, project):
    subprocess.run([*SNAKEMAKE, "--cores", "all"], cwd=ROOT, check=True, stdin=subprocess.DEVNULL, timeout=1200)
    command = [*SNAKEMAKE, "--profile", "workflow/profiles/slurm", *QUICK]
    with open(project / "snakemake.log", "w") as log:
        run = subprocess.Popen(command, cwd=project, env=slurm, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    cancelled = None
    checkpoints = project / RUN / "methods/planedict/checkpoints"
    try:
        while run.poll() is None:
            time.sleep(0.2)
            training = jobs(slurm, "rule_train_wildcards_planedict")
            if cancelled is None and training and any(checkpoints.glob("*.pt")):
                cancelled = training[0]
                subprocess.run(["scancel", cancelled], env=slurm, check=True)
    finally:
        run.terminate()
    output = (project / "snakemake.log").read_text()
    assert run.wait() == 0, output[-5000:]
    assert cancelled is not None
    ended = (project / f".snakemake/slurm_logs/rule_train/planedict/{cancelled}.log").read_text()
    assert "told to end after" in ended, ended
    for name in ("metrics", "comparisons", "views", "frames", "distances"):
        pd.testing.assert_frame_equal(
            table(project / RUN / f"{name}.parquet"), table(ROOT / RUN / f"{name}.parquet"), check_exact=True
        )
