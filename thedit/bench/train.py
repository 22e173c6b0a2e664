"""`thedit bench train`: optimiser steps of the trainer with the full loss, on synthetic pairs."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch

from thedit.bench.frames import pairs
from thedit.bench.measure import MIB, Record, Work, ceilings, default_device, measure
from thedit.bench.stream import SIZES, label
from thedit.config import Config
from thedit.errors import UserError
from thedit.methods.capture import WARM_UP

Precision = Literal["fp32", "bf16"]
GOALS: dict[tuple[str, str], Record] = {
    ("planedict", "paper"): {"goal_images_per_second": 120, "goal_mib": 14 * 1024},
    ("planedict-dense", "small"): {"goal_images_per_second": 240, "goal_mib": 24 * 1024},
}
"""Of a mean step on one GPU, by method and preset."""


def run(
    device: str,
    preset: str,
    precision: Precision,
    batch: int,
    compiled: bool,
    gpus: int,
    repetitions: int,
    method: str = "planedict",
) -> Iterator[Record]:
    """Steps on one device; or on one GPU, then on each of ``gpus`` with ``batch`` pairs each, and their efficiency."""
    if gpus == 1:
        yield from steps(device, preset, precision, batch, compiled, repetitions, method)
        return
    if torch.cuda.device_count() < gpus:
        raise UserError(f"--gpus: {gpus} asked for, {torch.cuda.device_count()} found; choose fewer.")
    alone = _launch(1, preset, precision, batch, compiled, repetitions, method)
    yield from alone
    together = _launch(gpus, preset, precision, batch, compiled, repetitions, method)
    for one, several in zip(alone, together):
        yield several | {"efficiency": several["images_per_second"] / (gpus * one["images_per_second"])}


def _launch(
    gpus: int, preset: str, precision: Precision, batch: int, compiled: bool, repetitions: int, method: str
) -> list[Record]:
    """`steps` on each of ``gpus`` GPUs with ``batch`` pairs each, in processes of their own."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "record.jsonl")
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={gpus}"]
        arguments = [preset, precision, str(batch * gpus), str(int(compiled)), str(repetitions), method, str(out)]
        finished = subprocess.run([*command, "-m", "thedit.bench.train", *arguments], stdout=sys.stderr)
        if finished.returncode:
            raise UserError(f"--gpus {gpus}: torchrun ended with status {finished.returncode}; its output is above.")
        return [json.loads(line) for line in out.read_text().splitlines()]


def steps(
    device: str, preset: str, precision: Precision, batch: int, compiled: bool, repetitions: int, method: str
) -> Iterator[Record]:
    """Measure a same-identity and a cross-identity step, and their mean; ``batch`` counts all processes."""
    from thedit.training.distributed import group

    with group() as processes:
        cuda = processes.device.type == "cuda"
        if cuda:  # the memory that this takes is not the training's
            ceilings(device)
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        with tempfile.TemporaryDirectory() as folder:
            trainer = make_trainer(preset, precision, batch, 0, compiled, Path(folder), processes, method)
            truth = getattr(trainer.method.options, "correspondence", None) == "truth"
            share = pairs(batch // processes.size, SIZES[preset], processes.device, processes.rank, truth)
            every = trainer.method.options.cross_every
            _warm_up(trainer, share, (0, every - 1))
            warm_up_peak = torch.cuda.max_memory_reserved() if cuda else 0
            records = []
            name = f"{label(method)}{preset}, batch {batch}, {precision}{', compiled' if compiled else ''}"
            for case, step in (("same identity", 0), ("cross-identity", every - 1)):
                record = measure(
                    "train",
                    f"{name}, {case} step",
                    partial(_step, trainer, share, step),
                    device,
                    _work(trainer, precision),
                    repetitions=repetitions,
                    method=method,
                    preset=preset,
                    batch=batch,
                    gpus=processes.size,
                )
                if cuda:  # what is captured keeps its memory
                    record["peak_mib"] = max(warm_up_peak, torch.cuda.max_memory_reserved()) / MIB
                records.append(record | {"images_per_second": 1e3 * batch / record["median_ms"]})
        if processes.first:
            yield from records
            yield _mean(records, every, f"{name}, mean step")


def make_trainer(
    preset: str,
    precision: Precision,
    batch: int,
    seed: int,
    compiled: bool,
    folder: Path,
    processes: Any,
    method: str = "planedict",
) -> Any:
    """The trainer of a plane-dictionary method, without a data set."""
    from thedit.methods import registry
    from thedit.training.loop import Trainer

    train = {"preset": preset, "precision": precision, "batch": batch, "learning_rate": 7.5e-5, "compile": compiled}
    config = Config.model_validate({"seed": seed, "train": train})
    store: Any = _NoStore(SIZES[preset])
    return Trainer(config, registry.find(method), store, folder, processes)


class _NoStore:
    """What the trainer asks of a data set before it asks for frames."""

    def __init__(self, size: int):
        self.size = size
        self.digest = ""


def _warm_up(trainer: Any, batch: Any, steps: tuple[int, ...]) -> None:
    """Let the trainer capture each step in turns, as in training: all warm up before the first is."""
    for _ in range(WARM_UP + 1):
        for step in steps:
            _step(trainer, batch, step)


def _step(trainer: Any, batch: Any, step: int) -> None:
    trainer.step = step  # which losses a step has, and the size of the rendered picture, follow from its number
    trainer.make_step(batch)


def _work(trainer: Any, precision: Precision) -> Work:
    """Bytes of the optimiser step alone: weights, gradients, two moments and the average, read and written."""
    parameters = sum(p.numel() for p in trainer.method.parameters())
    return Work(4 * parameters * 9, 0, precision)


def _mean(records: list[Record], every: int, case: str) -> Record:
    """The mean step: one in ``every`` is cross-identity."""
    same, cross = records
    values = {
        key: same[key] + (cross[key] - same[key]) / every
        for key in ("median_ms", "p10_ms", "p90_ms", "p99_ms", "ratio")
    }
    peaks = {key: same[key] and max(same[key], cross[key]) for key in ("peak_mib", "added_mib")}
    rate = 1e3 * same["batch"] / values["median_ms"]
    goals: Record = {}
    if same["gpus"] > 1:
        goals = {"goal_efficiency": 0.9}
    else:
        goals = GOALS.get((same["method"], same["preset"]), {})
    return {**same, "case": case, **values, **peaks, "images_per_second": rate, **goals}


if __name__ == "__main__":
    preset, precision, batch, compiled, repetitions, method, out = sys.argv[1:]
    numbers = int(batch), bool(int(compiled)), int(repetitions)
    measured = list(steps(default_device(), preset, precision, *numbers, method))  # type: ignore[arg-type]
    if measured:
        Path(out).write_text("".join(json.dumps(record) + "\n" for record in measured))
