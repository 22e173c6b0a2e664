"""A picture that moves as a video does: preprocessing as of a data set, then a trained method makes the frames."""

import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from thedit import provenance
from thedit.config import Preprocess
from thedit.errors import UserError
from thedit.evaluation import preview
from thedit.evaluation.cost import peak_bytes
from thedit.evaluation.predict import drive
from thedit.methods import trained
from thedit.methods.base import Method
from thedit.shards import writer
from thedit.shards.store import FrameStore
from thedit.video import decode
from thedit.video.run import plan
from thedit.video.segment import process
from thedit.video.spec import Inputs, Source


@dataclass(frozen=True)
class Animation:
    """What was made and what it cost.

    ``frames`` of the video; how many of them repeat another one, by the reason why; ``seconds`` in all, preprocessing
    included; ``peak_mib``: the largest memory, of the GPU if there is one; ``device``.
    """

    frames: int
    repeated: dict[str, int]
    seconds: float
    peak_mib: float
    device: str


def animate(source: Path, driving: Path, out: Path, weights: Path) -> Animation:
    """Write to ``out`` an H.264 video of the person of ``source`` moving as the main face of ``driving``.

    Source is the best frame of a picture (or video). Every frame is seen by the driver's camera. A frame of the
    driving video without a usable face repeats the one before it. Raises `UserError` for a file that cannot be used.
    """
    start = time.perf_counter()
    _check(out, weights)
    method, settings = trained.load(weights)
    with tempfile.TemporaryDirectory(prefix="thedit-") as name:
        shards = Path(name)
        _preprocess(_input(source, "source"), settings, shards)
        driver = _input(driving, "driver")
        frames, reasons = _preprocess(driver, settings, shards)
        made = _make(method, FrameStore(shards), reasons)
        preview.video(out, _fill(made, frames, weights), _rate(decode.timeline(driver)))
    seconds = time.perf_counter() - start
    peak = peak_bytes("cuda" if torch.cuda.is_available() else "cpu")
    return Animation(frames, dict(reasons), seconds, peak / 2**20, provenance.device())


def _check(out: Path, weights: Path) -> None:
    """What can be known to fail fails before the work."""
    if out.suffix.lower() != ".mp4":
        raise UserError(f"{out}: the video is written as MP4; let the name end in .mp4.")
    if not weights.is_file():
        raise UserError(
            f"{weights}: is missing; call this in the project's folder, "
            "or name the weights.safetensors of a run with --weights."
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror}); choose another folder.") from error


def _input(path: Path, role: str) -> Source:
    return Source(str(path), (path,), role, role, "test")


def _preprocess(source: Source, settings: Preprocess, folder: Path) -> tuple[int, Counter[str]]:
    """Write shards of the usable frames to ``folder``; how many frames there are, and why those left out are."""
    shards, failures = plan(Inputs(source.paths[0].parent, [source], [], []), settings.frames_per_shard)
    segments = [segment for shard in shards for segment in shard]
    total = sum(segment.stop - segment.first for segment in segments)
    reasons = Counter(_kind(failure.reason) for failure in failures)
    with tqdm(total=total, desc=f"faces of the {source.person}", unit="frame") as bar:
        for number, segment in enumerate(segments):
            result = process(segment, settings, source.paths[0].parent, every_face=False, count=bar.update)
            reasons.update(_kind(row.reason) for row in result.rows if row.status != "kept")
            if result.frames:
                writer.write(folder / f"{source.person}-{number:05d}.arrow", result.frames, {})
    if not any(folder.glob(f"{source.person}-*.arrow")):
        raise UserError(f"{source.name}: {', '.join(reasons)}; choose another file.")
    return total, reasons


def _make(method: Method, store: FrameStore, reasons: Counter[str]) -> Iterator[tuple[int, np.ndarray]]:
    """Number and picture of every frame that the method can make; other frames are counted in ``reasons``."""
    index = store.index
    driver = index[index["person"] == "driver"].sort_values("frame")
    best = index.loc[index["person"] == "source", "quality"].idxmax()
    rows = pd.DataFrame({"source_row": best, "driver_row": driver.index, "camera": driver["camera"].to_list()})
    made = drive(method, store, rows, Path("/dev/null"))
    for number, frame in zip(driver["frame"], tqdm(made, total=len(rows), desc="reenact", unit="frame")):
        if frame.picture is None:
            reasons[frame.reason] += 1
        else:
            yield number, frame.picture


def _fill(made: Iterable[tuple[int, np.ndarray]], frames: int, weights: Path) -> Iterator[np.ndarray]:
    """A picture for each of the ``frames``: where none was made the one before, at the beginning the first one."""
    last, shown = None, 0
    for number, picture in made:
        before = picture if last is None else last
        yield from [before] * (number - shown)
        yield picture
        last, shown = picture, number + 1
    if last is None:
        raise UserError(f"{weights}: make no picture that can be shown; train again or use other weights.")
    yield from [last] * (frames - shown)


def _rate(line: decode.Timeline) -> Fraction:
    """Frames a second; on average where they vary."""
    if len(line.ticks) < 2:
        return Fraction(25)
    return Fraction((len(line.ticks) - 1) / line.seconds(-1)).limit_denominator(1001)


def _kind(reason: str) -> str:
    """A reason without the measured values in brackets."""
    return reason.partition(" (")[0]
