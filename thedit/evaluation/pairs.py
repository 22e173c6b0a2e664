"""From a protocol to its pairs: one row per frame that a method has to make.

Columns: protocol, pair, frame, source_row, source_id, driver_row, driver_id, camera (25), target, yaw, pitch. Rows are
rows of the `thedit.shards.store.FrameStore`; ids are ``<person>/<clip>``; ``frame`` counts from 0 inside a pair;
``target`` is ``driver`` when the driving frame is the true picture, ``truth`` when AnnyHeads can render it, ``none``
otherwise; yaw and pitch are the camera's, in degrees.
"""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from thedit import camera, layout
from thedit.config import Config, Evaluation, digest
from thedit.errors import UserError
from thedit.evaluation import protocols
from thedit.evaluation.protocols import Protocol
from thedit.files import atomic
from thedit.metrics import tables
from thedit.shards.store import FrameStore
from thedit.spacing import evenly


def write_pairs(config: Config, name: str) -> Path:
    """Write the pairs of protocol ``name`` for a run and return the file's path."""
    data = layout.data(config)
    frames = FrameStore(layout.shards(config)).index
    table = make(name, protocols.find(name), frames, config.evaluation, lambda clip: layout.truth(data, clip).is_file())
    path = layout.pairs(config, name)
    with atomic(path) as sibling:
        table.to_parquet(sibling, index=False)
    return path


def make(
    name: str, protocol: Protocol, frames: pd.DataFrame, evaluation: Evaluation, has_truth: Callable[[str], bool]
) -> pd.DataFrame:
    """The rows of protocol ``name`` over the store's index ``frames``.

    The source is always the first frame of its clip; it never drives itself. ``has_truth`` tells whether AnnyHeads'
    ground truth of a clip is there. Raises `UserError` when no pair can be formed.
    """
    clips = _clips(frames[frames["split"] == protocol.split])
    cameras = torch.from_numpy(np.stack(frames["camera"].to_numpy())).float()  # (rows, 25)
    rows = []
    paired = pair_clips(protocol, list(clips), evaluation.max_clips)
    for (source, driver), pair in zip(paired, pair_names(paired)):
        driving = clips[driver][1:] if source == driver else clips[driver]
        if protocol.kind == "multiview":
            middle = driving[len(driving) // 2 : len(driving) // 2 + 1]
            views = [(row, view) for row in middle for view in sweep(cameras[row], protocol.yaw, protocol.pitch)]
        else:
            views = [(row, cameras[row]) for row in _spread(driving, evaluation.frames_per_pair)]
        known = has_truth(source) and has_truth(driver)
        target = "driver" if protocol.kind != "multiview" and source == driver else "truth" if known else "none"
        for number, (row, view) in enumerate(views):
            yaw, pitch, _ = camera.angles(camera.split(view)[0]).tolist()
            rows.append(
                {
                    "protocol": name,
                    "pair": pair,
                    "frame": number,
                    "source_row": int(clips[source][0]),
                    "source_id": source,
                    "driver_row": int(row),
                    "driver_id": driver,
                    "camera": view.numpy(),
                    "target": target,
                    "yaw": yaw,
                    "pitch": pitch,
                }
            )
    if not rows:
        raise UserError(
            f"protocol {name}: no pair can be formed from {len(clips)} clips of split '{protocol.split}'; "
            "a clip needs two kept frames to drive itself, and two people to drive each other."
        )
    return pd.DataFrame(rows)


def pair_clips(protocol: Protocol, clips: list[str], limit: int) -> list[tuple[str, str]]:
    """Source and driver clips of a protocol, from the names ``clips`` in the order of `_clips`.

    self, multiview: each of the first ``limit`` clips with itself.
    cross: each of them with the next clip of another person, cyclically (the rule of GAGAvatar and LAM).
    one-to-all: each of them of other people than the driver's, with that one driver.
    list: what the CSV file says.
    """
    chosen = clips[:limit]
    if protocol.kind in ("self", "multiview"):
        return [(clip, clip) for clip in chosen]
    if protocol.kind == "list":
        return _listed(Path(str(protocol.pairs)), clips)
    if protocol.kind == "one-to-all":
        driver = protocol.driver or chosen[0]
        if driver not in clips:
            raise UserError(f"protocol one-to-all: driver '{driver}' is no clip of split '{protocol.split}'.")
        return [(clip, driver) for clip in chosen if _person(clip) != _person(driver)]
    pairs = []
    for number, source in enumerate(chosen):
        following = chosen[number + 1 :] + chosen[:number]
        pairs += [(source, driver) for driver in following if _person(driver) != _person(source)][:1]
    return pairs


def pair_names(paired: list[tuple[str, str]]) -> list[str]:
    """A name for each pair of clips that can be a folder's: both clips' names, as far as they go.

    Where two pairs would have one name, or one is too long or has characters that mean something elsewhere, the name
    ends with a digest of both clips.
    """
    spoken = ["--".join(dict.fromkeys(clip.replace("/", "-") for clip in pair)) for pair in paired]
    uses = Counter(name.casefold() for name in spoken)
    return [
        name if uses[name.casefold()] == 1 and tables.PAIR.fullmatch(name) else _digested(name, pair)
        for name, pair in zip(spoken, paired)
    ]


def _digested(name: str, pair: tuple[str, str]) -> str:
    plain = re.sub(r"[^\w.-]+|^[.-]+", "_", name, flags=re.ASCII)[: tables.LONGEST_PAIR - 13]
    return f"{plain}-{digest(pair)}"


def sweep(driving: Tensor, yaw: list[float], pitch: list[float]) -> Tensor:
    """Cameras (views, 25) of `orbit`: the ``yaw`` angles at pitch 0, then the ``pitch`` angles at yaw 0."""
    return orbit(driving, torch.tensor([*yaw, *(0.0 for _ in pitch)]), torch.tensor([*(0.0 for _ in yaw), *pitch]))


def orbit(driving: Tensor, yaw: Tensor, pitch: Tensor) -> Tensor:
    """Cameras (views, 25) of cameras about the head at angles (views) in degrees.

    Distance and focal length are those of the camera ``driving`` (25), and the head stays where it is in that picture.
    """
    cam2world, intrinsics = camera.split(driving)
    pivot = torch.tensor(camera.PIVOT)
    poses = camera.orbit(yaw, pitch, radius=torch.linalg.vector_norm(cam2world[:3, 3] - pivot))
    centred = intrinsics.clone()
    centred[:2, 2] = camera.project(pivot.unsqueeze(0), driving)[0]
    return camera.join(poses, centred)


def _clips(frames: pd.DataFrame) -> dict[str, np.ndarray]:
    """Store rows of every clip in time order, by clip name: every person's first clip, then every second, and so on.

    Within a round people are in sorted order, so that few clips still show many people.
    """
    ordered = frames.sort_values(["person", "clip", "frame"])
    clips = {
        f"{person}/{clip}": group.index.to_numpy() for (person, clip), group in ordered.groupby(["person", "clip"])
    }
    rounds: dict[str, int] = {}
    turn = {}
    for clip in clips:
        turn[clip] = rounds[_person(clip)] = rounds.get(_person(clip), 0) + 1
    return {clip: clips[clip] for clip in sorted(clips, key=lambda clip: (turn[clip], clip))}


def _listed(path: Path, clips: list[str]) -> list[tuple[str, str]]:
    try:
        table = pd.read_csv(path, dtype=str)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as CSV ({error}); it needs the columns source and driver.") from error
    for column in ("source", "driver"):
        if column not in table:
            raise UserError(f"{path}: has no column '{column}'; it needs the columns source and driver.")
        unknown = set(table[column]) - set(clips)
        if unknown:
            near = ", ".join(clips[:3])
            raise UserError(f"{path}: {column}: '{min(unknown)}' is no clip of the split; clips are called {near}, ...")
    return list(zip(table["source"], table["driver"]))


def _spread(rows: np.ndarray, number: int) -> list[int]:
    """At most ``number`` of ``rows``, evenly spread, the first and the last among them."""
    return [int(row) for row in rows[evenly(len(rows), number)]]


def _person(clip: str) -> str:
    return clip.rpartition("/")[0]
