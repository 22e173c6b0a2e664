"""Workers of a pool share out the GPUs."""

import multiprocessing
import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

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
