"""Timing one function and saying how far it is from what the device allows."""

import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from importlib import metadata
from typing import Any

import numpy as np
import torch

from thedit import provenance

Record = dict[str, Any]
MIB = 2**20


@dataclass(frozen=True)
class Work:
    """The least a computation must do: each input read once, each output written once, and its arithmetic."""

    bytes: float
    operations: float
    precision: str = "fp32"
    """Unit that could do the operations: fp32, or bf16 for the tensor cores."""


@dataclass(frozen=True)
class Ceilings:
    """What this device reaches: a large copy, counting bytes read and written, and a large matrix product."""

    bytes_per_second: float
    operations_per_second: dict[str, float]

    def floor(self, work: Work) -> dict[str, float]:
        """Milliseconds below which no implementation of ``work`` can run, by bytes and by operations."""
        return {
            "floor_bytes_ms": 1e3 * work.bytes / self.bytes_per_second,
            "floor_operations_ms": 1e3 * work.operations / self.operations_per_second[work.precision],
        }


@cache
def ceilings(device: str) -> Ceilings:
    """Measure the ceilings of ``device``, once a process."""
    cuda = torch.device(device).type == "cuda"
    source = torch.randn(2**28 if cuda else 2**25, device=device)
    target = torch.empty_like(source)
    copy = statistics.median(seconds(lambda: target.copy_(source), device, warmup=2, repetitions=5))
    rates = {}
    side = 8192 if cuda else 1024
    for name, dtype in {"fp32": torch.float32, "bf16": torch.bfloat16}.items():
        a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
        times = seconds(partial(torch.matmul, a, b), device, warmup=2, repetitions=5)
        rates[name] = 2 * side**3 / statistics.median(times)
    return Ceilings(2 * source.nbytes / copy, rates)


def seconds(function: Callable[[], Any], device: str, warmup: int, repetitions: int) -> list[float]:
    """Durations of ``repetitions`` calls after ``warmup`` calls; on a GPU by events on the device."""
    for _ in range(warmup):
        function()
    if torch.device(device).type != "cuda":
        times = []
        for _ in range(repetitions):
            began = time.perf_counter()
            function()
            times.append(time.perf_counter() - began)
        return times
    events = [[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(repetitions)]
    torch.cuda.synchronize()
    for start, end in events:
        start.record()
        function()
        end.record()
    torch.cuda.synchronize()
    return [start.elapsed_time(end) / 1e3 for start, end in events]


def measure(
    command: str,
    case: str,
    function: Callable[[], Any],
    device: str,
    work: Work,
    warmup: int = 5,
    repetitions: int = 30,
    **facts: Any,
) -> Record:
    """Time ``function`` and describe the result; ``facts`` are added to the record.

    Times in milliseconds: median, 10th, 90th and 99th percentile. Memory in MiB: the peak that torch allocated on a
    GPU, and how much of that the call itself added (null on a CPU). ``ratio`` is the median over the floor.
    """
    memory: dict[str, float | None] = {"peak_mib": None, "added_mib": None}
    if torch.device(device).type == "cuda":
        function()
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        function()
        torch.cuda.synchronize()
        peak = torch.cuda.max_memory_allocated()
        memory = {"peak_mib": peak / MIB, "added_mib": (peak - before) / MIB}
    return describe(
        command, case, seconds(function, device, warmup, repetitions), device, work, warmup=warmup, **memory, **facts
    )


def describe(command: str, case: str, times: list[float], device: str, work: Work, **facts: Any) -> Record:
    """The record of calls that took ``times`` seconds."""
    limits = ceilings(device)
    floor = limits.floor(work)
    low, median, high, last = (1e3 * np.percentile(times, [10, 50, 90, 99])).tolist()
    return {
        "command": command,
        "case": case,
        **environment(device),
        "repetitions": len(times),
        "median_ms": median,
        "p10_ms": low,
        "p90_ms": high,
        "p99_ms": last,
        "bytes": work.bytes,
        "operations": work.operations,
        "precision": work.precision,
        "device_gb_per_second": limits.bytes_per_second / 1e9,
        "device_tflop_per_second": limits.operations_per_second[work.precision] / 1e12,
        **floor,
        "ratio": median / max(floor.values()),
        **facts,
    }


def environment(device: str) -> Record:
    """Device and versions."""
    cuda = torch.device(device).type == "cuda"
    name = torch.cuda.get_device_name() if cuda else f"{provenance.processor()}, {torch.get_num_threads()} threads"
    return {
        "device": name,
        "code": provenance.code_version(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "triton": _version("triton"),
            "cuda": torch.version.cuda if cuda else None,
        },
    }


def default_device() -> str:
    """The GPU if there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
