"""Scores of results made elsewhere, several clips at a time."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from thedit import camera
from thedit.errors import UserError
from thedit.metrics import folders, suite
from thedit.metrics.measure import Measurer, pixel_sha256
from thedit.metrics.pair import Pair
from thedit.metrics.run import rows
from thedit.processes import die_with_parent

PROTOCOL = "folders"


@dataclass(frozen=True)
class Clip:
    """Files of one clip: the predicted and the true frames, or a video of each, and its source picture if one is given.

    ``folder`` is that of all predictions.
    """

    name: str
    folder: Path
    predictions: list[Path]
    targets: list[Path]
    source: Path | None


def find(predictions: Path, targets: Path, sources: Path | None) -> list[Clip]:
    """Clips of two folders, paired by name; `UserError` if one is missing on a side."""
    pictures = folders.clips(sources) if sources else {}
    return [
        Clip(name, predictions, ours, theirs, _source(sources, pictures, name))
        for name, ours, theirs in folders.paired(predictions, targets)
    ]


def score(clips: list[Clip], suite_name: str, backends: dict[str, str], jobs: int) -> Iterator[dict[str, Any]]:
    """Score rows of all clips, in their order, whatever the number of processes ``jobs``."""
    jobs = min(jobs, len(clips))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, _start, (suite_name, backends)) as pool:
        for scores in tqdm(pool.map(_score, clips), total=len(clips), desc="clips", unit="clip"):
            yield from scores


_measurer: Measurer


def _start(suite_name: str, backends: dict[str, str]) -> None:
    """Prepare this process."""
    global _measurer
    die_with_parent()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    _measurer = Measurer(suite.load(suite_name, backends))


def _score(clip: Clip) -> list[dict[str, Any]]:
    """Rows of one clip, whose driving frames are taken to be its true frames, seen by the default camera."""
    predictions, targets = folders.frames(clip.predictions), folders.frames(clip.targets)
    if len(predictions) != len(targets):
        raise UserError(
            f"{clip.folder}: clip '{clip.name}' has {len(predictions)} frames, its target {len(targets)}; "
            "give both as many."
        )
    if predictions[0].shape != targets[0].shape:
        raise UserError(
            f"{clip.folder}: clip '{clip.name}' has frames of {predictions[0].shape}, its target {targets[0].shape}; "
            "give both the same size."
        )
    view = camera.label(camera.orbit(0.0, 0.0), camera.intrinsics()).expand(len(targets), -1)
    pair = Pair(
        predictions=predictions,
        reasons=[""] * len(predictions),
        drivers=targets,
        targets=targets,
        source=folders.frames([clip.source])[0] if clip.source else targets[0],
        person=targets[:: max(1, len(targets) // 8)],
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
    digests = [pixel_sha256(picture) for picture in predictions], [pixel_sha256(picture) for picture in targets]
    found = rows(pair, _measurer, labels, *digests)
    return [row for row in found if not str(row["variant"]).endswith("@camera")]  # nobody asked for a camera


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
