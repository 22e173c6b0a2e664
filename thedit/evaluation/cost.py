"""What each method costs, measured here: parameters, arithmetic, speed and memory, beside what it was trained with.

All methods of a run are measured one after the other by one call, on one device, each in a fresh process, so that
the columns can be compared. What others publish about their methods is never copied into them.
"""

import json
import re
import statistics
import time
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors import safe_open
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from thedit import layout, provenance
from thedit.config import Config, digest
from thedit.files import atomic
from thedit.methods import registry
from thedit.methods.base import Method
from thedit.methods.external import External
from thedit.methods.registry import Spec
from thedit.shards import synthetic
from thedit.shards.batch import FrameBatch
from thedit.workers import Workers

WARM_UP = 3  # frames
REPETITIONS, FRAMES, MOST_SECONDS = 5, 6, 0.6  # of a repetition: frames, and the time after which it ends early
BUSY = 1.25  # slowest over fastest repetition above which something else was at work on the machine
ALIKE = 1.02  # times the hours of the shortest training, which another one may take and count as equally long
MEASURED = [
    *("parameters", "encode_gflops", "drive_gflops", "frames_per_second"),
    *("frames_per_second_low", "frames_per_second_high", "busy", "peak_mib"),
]


def measure(config: Config) -> pd.DataFrame:
    """One row per method of the run, also written to ``results/<run>/cost.parquet``.

    method, kind, licence       as in its spec
    trained_by                  ``this run``, ``its authors`` or ``nobody`` for a bound
    training_images, _hours     pairs seen and hours spent, from the weights' metadata; NaN if not trained by this run
    equal_budget                whether every method that this run trained saw as many pairs, or took as long (`ALIKE`)
    parameters                  numbers in the method
    encode_gflops, drive_gflops arithmetic for one source, and for one frame: 1e-9 times the multiplications and
                                additions of convolutions and matrix products in the plain torch path
    frames_per_second           driven frames, one at a time, the source encoded before: the median of five repetitions
                                of the median of up to six frames each; _low and _high: the slowest repetition and the
                                fastest
    busy                        whether these are so far apart that something else was at work: measure again
    peak_mib                    GPU: peak of the memory that torch holds. CPU: growth of the process's largest
                                resident size. Both include the parameters.
    device, size, preset, config_hash, code_version
    reason                      why the measured columns are NaN, if they are
    """
    rows = [_row(config, name) for name in tqdm(config.methods, desc="cost", unit="method")]
    table = pd.DataFrame(rows, columns=list(dict.fromkeys([*rows[0], *MEASURED])))
    table["busy"] = table["busy"].astype("boolean")
    own = table["trained_by"] == "this run"
    table["equal_budget"] = own & alike(table[own])
    path = layout.run(config) / "cost.parquet"
    with atomic(path) as sibling:
        table.to_parquet(sibling, index=False)
    return table


def alike(table: pd.DataFrame) -> bool:
    """Whether all methods of the table saw as many pairs, or spent as many hours on them, but for `ALIKE`."""
    hours = table["training_hours"]
    return table["training_images"].nunique() == 1 or bool(hours.max() < ALIKE * hours.min())


def profile(spec: Spec, preset: str, size: int, device: str) -> dict[str, float]:
    """The measured columns of a method, for pictures of ``size`` pixels a side; to be called in a fresh process."""
    before = peak_bytes(device)
    method = spec.build(preset, size).eval().requires_grad_(False)
    frame = synthetic.frames(1, size)
    with torch.no_grad():
        with FlopCounterMode(display=False) as encoding:
            code = method.encode(frame)
        with FlopCounterMode(display=False) as driving:
            method.drive(code, frame, frame.camera)
        method, frame = method.to(device), frame.to(device)
        code = method.encode(frame)
        rates = _rates(method, code, frame, device)
    return {
        "parameters": sum(parameter.numel() for parameter in method.parameters()),
        "encode_gflops": encoding.get_total_flops() / 1e9,
        "drive_gflops": driving.get_total_flops() / 1e9,
        "frames_per_second": statistics.median(rates),
        "frames_per_second_low": min(rates),
        "frames_per_second_high": max(rates),
        "busy": max(rates) > BUSY * min(rates),
        "peak_mib": (peak_bytes(device) - before) / 2**20,
    }


def _row(config: Config, name: str) -> dict[str, Any]:
    spec = registry.find(name)
    size, preset = config.data.preprocess.size, config.train.preset
    reason = ""
    if spec.kind == "bound":
        reason = "copies a picture"
    elif issubclass(spec.load_class(), External):
        reason = "runs in an environment of its own"
    row: dict[str, Any] = {
        "method": name,
        "kind": spec.kind,
        "licence": spec.licence,
        "trained_by": "this run" if spec.trained else "nobody" if spec.kind == "bound" else "its authors",
        **_training(layout.weights(config, name)),
        "size": size,
        "preset": preset if spec.trained else "",
        "device": provenance.device(),
        "config_hash": digest(config),
        "code_version": provenance.code_version(),
        "reason": reason,
    }
    if not reason:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        with Workers(1) as pool:
            row |= pool.submit(profile, spec, preset, size, device).result()
    return row


def _training(weights: Path) -> dict[str, float]:
    """What the weights' metadata tell of their training."""
    if not weights.is_file():
        return {"training_images": float("nan"), "training_hours": float("nan")}
    with safe_open(weights, framework="pt") as file:
        facts = file.metadata()
    return {"training_images": json.loads(facts["images"]), "training_hours": json.loads(facts["seconds"]) / 3600}


def _rates(method: Method, code: Any, frame: FrameBatch, device: str) -> list[float]:
    """Frames a second of each repetition, by the median of its frames."""
    for _ in range(WARM_UP):
        _seconds(method, code, frame, device)
    rates = []
    for _ in range(REPETITIONS):
        times = [_seconds(method, code, frame, device)]
        while len(times) < FRAMES and sum(times) < MOST_SECONDS:
            times.append(_seconds(method, code, frame, device))
        rates.append(1 / statistics.median(times))
    return rates


def _seconds(method: Method, code: Any, frame: FrameBatch, device: str) -> float:
    """Wall time of one driven frame."""
    start = time.perf_counter()
    method.drive(code, frame, frame.camera)
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def peak_bytes(device: str) -> int:
    """Most memory that this process has held at once: what torch allocated on a GPU, or its resident size."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    # getrusage would give the parent's peak after a spawn: the kernel carries it over.
    high_water = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert high_water is not None
    return 1024 * int(high_water[1])
