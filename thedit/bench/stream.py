"""`thedit bench stream`: latency from a driving frame to a picture, with the source encoded once."""

from collections.abc import Iterator
from typing import Literal

import torch
from torch.utils.flop_counter import FlopCounterMode

from thedit.bench.frames import frames
from thedit.bench.measure import Record, Work, measure
from thedit.errors import UserError
from thedit.methods import registry
from thedit.methods.planedict import PlaneDict
from thedit.methods.stream import Stream
from thedit.shards.batch import FrameBatch

Precision = Literal["fp32", "bf16"]
FRAMES_PER_SECOND = {
    ("planedict", "paper", "cuda"): 300,
    ("planedict", "tiny", "cpu"): 15,
    ("planedict-dense", "small", "cuda"): 300,
}
OF_THE_SOURCE = {"identity", "lift", "pyramid"}
"""Parts of a network that a source is encoded with, and no frame is driven with."""
SIZES = {"tiny": 64, "small": 256, "paper": 256}


def run(
    device: str, preset: str, precision: Precision, compiled: bool, repetitions: int, name: str = "planedict"
) -> Iterator[Record]:
    """One driving frame in, one picture out, batch 1, by a tri-plane method; raises `UserError` for another one."""
    torch.manual_seed(0)
    method = registry.find(name).build(preset, SIZES[preset]).to(device).eval().requires_grad_(False)
    if not isinstance(method, PlaneDict):
        raise UserError(f"--method: '{name}' has no tri-planes; planedict, planedict-dense and their ablations have.")
    source, driving = frames(1, SIZES[preset], device), frames(1, SIZES[preset], device, seed=1)
    stream = Stream(method, source, precision, compiled)
    record = measure(
        "stream",
        f"{label(name)}{preset}, batch 1, {precision}{', compiled' if compiled else ''}",
        lambda: stream(driving, driving.camera),
        device,
        work(method, source, driving, precision),
        repetitions=repetitions,
        preset=preset,
        goal_frames_per_second=FRAMES_PER_SECOND.get((name, preset, device)),
    )
    yield {**record, "frames_per_second": 1e3 / record["median_ms"]}


def label(name: str) -> str:
    """What a record's case begins with; those of planedict have always been without."""
    return "" if name == "planedict" else f"{name}, "


def work(method: PlaneDict, source: FrameBatch, driving: FrameBatch, precision: Precision) -> Work:
    """Arithmetic that torch counts in the driving path, and every weight of it, its planes and its pictures once."""
    network = method.network
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        code = method.encode(source)
        before = counter.get_total_flops()
        method.drive(code, driving, driving.camera)
    used = [part for part_name, part in network.named_children() if part_name not in OF_THE_SOURCE]
    weights = sum(p.numel() for part in used for p in part.parameters())
    values = weights + 3 * code.planes.numel() + 2 * driving.image.numel()
    size = 2 if precision == "bf16" else 4
    return Work(size * values, counter.get_total_flops() - before, precision)
