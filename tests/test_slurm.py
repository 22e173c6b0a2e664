"""A small run on a real Slurm, its stages in parts, its training cancelled in the middle: the tables of a local run."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONFIG = ".test/slurm.yaml"
RUN = Path("results/test-slurm")
SNAKEMAKE = [sys.executable, "-m", "snakemake", "--configfile", CONFIG]
QUICK = [
    *("--slurm-init-seconds-before-status-checks", "5", "--latency-wait", "5", "--max-threads", "1"),
    *("--slurm-status-command", "squeue"),  # there is no accounting
    *("--jobs", "4", "--slurm-keep-successful-logs", "--config", "part_minutes=0.05"),
]
PATH = f"{os.environ['PATH']}:/usr/sbin"
LIMIT = 2400  # seconds for each of the two runs
MISSING = [name for name in ("sbatch", "slurmctld", "slurmd", "munged") if not shutil.which(name, path=PATH)]

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(bool(MISSING), reason=f"needs Slurm and munge; missing: {', '.join(MISSING)}"),
]


def run(command, **options):
    """Run one of Slurm's commands, which answer at once or never; what it printed."""
    return subprocess.run(command, check=True, timeout=60, capture_output=True, **options).stdout.decode()


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """The environment in which Slurm's commands find a cluster of one node."""
    folder = tmp_path_factory.mktemp("slurm")
    script = ROOT / "tests/slurm.sh"
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": path, "PYTHONPATH": str(ROOT)}
    try:
        run([script, "start", folder])
        run(["sbatch", "--wait", "--wrap", "true", "--output", folder / "first.log"], env=environment)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        run([script, "stop", folder])
        pytest.skip(f"Slurm does not work on this machine: {(error.stderr or b'').decode().strip() or error}")
    yield environment
    run([script, "stop", folder])


def project(folder):
    """Put into ``folder`` what a run needs beside the installed package."""
    for name in ("workflow", "config", ".test"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for name in ("data/annyheads.yaml", "environment.yml"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def jobs(environment, rule):
    """Numbers of the running jobs of a rule and of its wildcards."""
    command = ["squeue", "--noheader", "--states=RUNNING", "--format=%i %k"]
    return [line.split()[0] for line in run(command, env=environment).splitlines() if line.split()[1:] == [rule]]


def test_a_run_on_slurm_with_a_cancelled_training_ends_in_the_tables_of_a_local_run(slurm, tmp_path):
    local, far = project(tmp_path / "local"), project(tmp_path / "far")
    command = [*SNAKEMAKE, "--cores", "all"]
    subprocess.run(command, cwd=local, env=slurm, check=True, stdin=subprocess.DEVNULL, timeout=LIMIT)
    command = [*SNAKEMAKE, "--profile", "workflow/profiles/slurm", *QUICK]
    with open(far / "snakemake.log", "w") as log:
        workflow = subprocess.Popen(command, cwd=far, env=slurm, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    cancelled, began = None, time.monotonic()
    checkpoints = far / RUN / "methods/planedict/checkpoints"
    try:
        while workflow.poll() is None and time.monotonic() - began < LIMIT:
            time.sleep(0.2)
            training = jobs(slurm, "rule_train_wildcards_planedict")
            if cancelled is None and training and any(checkpoints.glob("*.pt")):
                cancelled = training[0]
                run(["scancel", cancelled], env=slurm)
    finally:
        workflow.kill()
    output = (far / "snakemake.log").read_text()
    assert workflow.wait() == 0, output[-5000:]
    assert cancelled is not None
    ended = (far / f".snakemake/slurm_logs/rule_train/planedict/{cancelled}.log").read_text()
    assert "told to end after" in ended, ended
    for rule in ("heads_render", "preprocess", "predict", "score"):
        assert f"rule {rule}_part:" in output
    for name in ("metrics", "comparisons", "views", "frames", "distances", "scale", "status"):
        assert (far / RUN / f"{name}.parquet").read_bytes() == (local / RUN / f"{name}.parquet").read_bytes(), name
