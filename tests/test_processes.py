"""Workers of a pool share out the GPUs, and end with their command."""

import multiprocessing
import os
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from thedit.processes import take_turns_on_gpus


def visible(barrier) -> str:
    barrier.wait()  # so that every worker answers once
    return os.environ.get("CUDA_VISIBLE_DEVICES", "all")


@pytest.mark.parametrize(
    ("given", "count", "wanted"), [(None, 1, {"all"}), (None, 2, {"0", "1"}), ("4,6,7", 3, {"4", "6", "7"})]
)
def test_workers_take_turns(monkeypatch, given, count, wanted):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if given:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(3, context, take_turns_on_gpus, (count,)) as pool:
        barrier = manager.Barrier(3)
        workers = Counter(pool.map(visible, [barrier] * 3))
    assert set(workers) == wanted
    assert max(workers.values()) - min(workers.values()) <= 1


SLOW = """
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from thedit.processes import die_with_parent

if __name__ == "__mp_main__":  # a worker that starts for as long as its command lives
    command = os.getppid()
    Path(sys.argv[1]).write_text(str(os.getpid()))
    while os.getppid() == command:
        time.sleep(0.01)

if __name__ == "__main__":
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), die_with_parent) as pool:
        pool.submit(Path(sys.argv[2]).touch).result()
"""


def test_a_worker_ends_when_its_command_is_killed_while_it_starts(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    started, done = tmp_path / "started", tmp_path / "done"
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    command = subprocess.Popen([sys.executable, tmp_path / "slow.py", started, done], env=environment)
    while not (started.exists() and started.read_text()):
        assert command.poll() is None
        time.sleep(0.01)
    command.kill()
    command.wait()
    worker = Path("/proc") / started.read_text()
    until = time.monotonic() + 120
    while worker.exists() and "State:\tZ" not in (worker / "status").read_text():
        assert time.monotonic() < until
        time.sleep(0.05)
    assert not done.exists()
