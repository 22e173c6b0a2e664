"""Scores of results made elsewhere, several clips at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from thedit import camera
from thedit.errors import UserError
from thedit.metrics import folders, pairing, suite
from thedit.metrics.measure import Measurer, pixel_sha256
from thedit.metrics.pair import Pair
from thedit.metrics.pairing import Frame
from thedit.metrics.pixel import WINDOW
from thedit.metrics.scoring import rows
from thedit.workers import Workers

PROTOCOL = "folders"


@dataclass(frozen=True)
class Clip:
    """One clip: its frames on both sides, and its source picture if one is given. ``folder`` holds all predictions."""

    name: str
    folder: Path
    frames: list[Frame]
    source: Path | None

    @property
    def predictions(self) -> list[Path]:
        """The files of the predicted frames: a picture each, or one video or animation."""
        return list(dict.fromkeys(frame.prediction for frame in self.frames))

    @property
    def targets(self) -> list[Path]:
        """The files of the true frames."""
        return list(dict.fromkeys(frame.target for frame in self.frames))


def find(predictions: Path, targets: Path, sources: Path | None) -> tuple[list[Clip], list[str]]:
    """Clips of two folders, paired by name, their frames by number, and remarks about files that need one.

    `UserError` names what is missing on a side.
    """
    ours, theirs = folders.read(predictions), folders.read(targets)
    pictures = folders.read(sources).clips if sources else {}
    found = [
        Clip(name, predictions, pairing.pair(files, others), _source(sources, pictures, name))
        for name, files, others in folders.paired(ours, theirs)
    ]
    return found, [*folders.remarks(ours), *folders.remarks(theirs)]


def pairs(clips: list[Clip]) -> pd.DataFrame:
    """Which file's frame was compared with which: schema `thedit.metrics.tables.PAIRING`."""
    return pd.DataFrame(
        {
            "pair": clip.name,
            "frame": place,
            "key": frame.key,
            "prediction": str(frame.prediction),
            "prediction_number": frame.ours,
            "target": str(frame.target),
            "target_number": frame.theirs,
        }
        for clip in clips
        for place, frame in enumerate(clip.frames)
    )


def score(clips: list[Clip], suite_name: str, backends: dict[str, str], jobs: int) -> Iterator[dict[str, Any]]:
    """Score rows of all clips, in their order, whatever the number of processes ``jobs``."""
    jobs = min(jobs, len(clips))
    with Workers(jobs, _start, suite_name, backends) as pool:
        for scores in tqdm(pool.map(_score, clips), total=len(clips), desc="clips", unit="clip"):
            yield from scores


_measurer: Measurer


def _start(suite_name: str, backends: dict[str, str]) -> None:
    """Prepare this process."""
    global _measurer
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    _measurer = Measurer(suite.load(suite_name, backends))


def _score(clip: Clip) -> list[dict[str, Any]]:
    """Rows of one clip, whose driving frames are taken to be its true frames, seen by the default camera."""
    predictions, targets = folders.Frames(clip.predictions), folders.Frames(clip.targets)
    step = max(1, len(clip.frames) // 8)
    person: list[np.ndarray] = []
    digests: tuple[list[str], list[str]] = [], []
    for place, (frame, ours, theirs) in enumerate(zip(clip.frames, predictions, targets)):
        person += [theirs] * (place % step == 0)
        _check_sizes(frame, ours, theirs, person[0])
        for known, picture in zip(digests, (ours, theirs)):
            known.append(pixel_sha256(picture))
    view = camera.join(camera.orbit(0.0, 0.0), camera.intrinsics()).expand(len(clip.frames), -1)
    pair = Pair(
        predictions=predictions,
        reasons=[""] * len(clip.frames),
        drivers=targets,
        targets=targets,
        source=next(folders.frames([clip.source])) if clip.source else person[0],
        person=person,
        requested=view,
        driving=view,
    )
    labels = {
        "method": clip.folder.resolve().name,
        "method_version": "",
        "dataset": "",
        "split": "",
        "protocol": PROTOCOL,
    }
    labels |= {"pair": clip.name, "source_id": clip.name, "driver_id": clip.name}
    found = rows(pair, _measurer, labels, *digests)
    return [row for row in found if not str(row["variant"]).endswith("@camera")]  # nobody asked for a camera


def _check_sizes(frame: Frame, prediction: np.ndarray, target: np.ndarray, first: np.ndarray) -> None:
    """Both pictures of a frame have one size, that of the clip's other frames, in which SSIM's window has a place."""
    (height, width), (wanted, wide) = prediction.shape[:2], target.shape[:2]
    if (height, width) != (wanted, wide):
        raise UserError(
            f"{frame.prediction}: frame {frame.key} is {width} x {height} pixels, in {frame.target} {wide} x {wanted}; "
            "give both the same size."
        )
    if target.shape != first.shape:
        raise UserError(
            f"{frame.target}: frame {frame.key} is {wide} x {wanted} pixels, the first one "
            f"{first.shape[1]} x {first.shape[0]}; give all frames of a clip one size."
        )
    if min(height, width) < WINDOW:
        raise UserError(
            f"{frame.prediction}: is {width} x {height} pixels; SSIM needs {WINDOW} a side, make it larger."
        )


def _source(folder: Path | None, pictures: dict[str, list[Path]], name: str) -> Path | None:
    """CLIP.png, or the first picture of the folder CLIP; `UserError` if there is neither."""
    if folder is None:
        return None
    parent = str(Path(name).parent)
    named = [path for path in pictures.get(parent, []) if path.stem == Path(name).name]
    found = named or pictures.get(name)
    if not found:
        raise UserError(f"{folder}: has no source picture for clip '{name}'; add {name}.png.")
    return found[0]
