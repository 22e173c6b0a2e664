"""Scoring one method on one protocol of a run: from its predictions to tidy rows."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from thedit.config import digest
from thedit.errors import UserError
from thedit.files import sha256
from thedit.metrics import images, tables
from thedit.metrics.measure import Measurer, pixel_sha256
from thedit.metrics.pair import Pair
from thedit.metrics.score import score_pair
from thedit.parts import WHOLE, Part
from thedit.shards.batch import PARTS
from thedit.spacing import evenly

NOT_APPLICABLE = "not applicable"  # frames that a method cannot make by its nature: not scored, not failed
PERSON_PICTURES = 8  # a person's own frames, evenly spread, whose mean embedding stands for the person
EXPRESSIVE = [PARTS["eyes"], PARTS["mouth"]]


class TrueFrames(NamedTuple):
    """T true frames: pictures (S, S, 3), uint8, and where the head is seen in them, (S, S), bool."""

    pictures: list[np.ndarray]
    heads: list[np.ndarray]


Truth = Callable[[pd.DataFrame], TrueFrames]


class Frames(Protocol):
    """What scoring needs of a `thedit.shards.store.FrameStore`."""

    @property
    def index(self) -> pd.DataFrame:
        """Everything but the pictures, one row per frame."""

    def picture(self, row: int, name: str = "image") -> np.ndarray:
        """Decode ``image`` (S, S, 3) or the labels ``parts`` (S, S) of one frame, uint8."""

    def column(self, name: str) -> np.ndarray:
        """One label of all frames (frames, numbers)."""


def score(
    pairs: pd.DataFrame,
    predictions: Path,
    frames: Frames,
    measurer: Measurer,
    truth: Truth | None,
    labels: dict[str, str],
    kept: Path | None = None,
    part: Part = WHOLE,
) -> pd.DataFrame:
    """Score rows (schema `thedit.metrics.tables.SCORES`) of every frame of the protocol ``pairs``.

    ``predictions`` is the folder of the method's frames. ``truth`` renders the true pictures and masks of a pair's
    rows; None for data without truth, of which no target is ``truth``. ``labels`` are the columns method,
    method_version, dataset and protocol. Each pair's rows are kept in the folder ``kept``, which must be another one
    when frames, networks or truth are others; a part scores some of the pairs. Raises `UserError` when the predictions
    do not belong to the protocol, or a picture is missing or not the one that was written.
    """
    made = tables.read(predictions / "predictions.parquet", tables.PREDICTIONS)
    both = pairs.merge(made[["pair", "frame", "status", "reason", "sha256"]], on=["pair", "frame"], how="outer")
    if both["source_row"].isna().any() or both["status"].isna().any():
        raise UserError(f"{predictions}: its frames are not those of the protocol; run 'thedit predict' again.")
    both = both[both["status"] != NOT_APPLICABLE]
    both = both.astype({"source_row": int, "driver_row": int}).sort_values(["pair", "frame"])
    share = part.of(list(both.groupby("pair", sort=True)))
    total = sum(len(group) for _, group in share)
    bar = tqdm(total=total, desc=f"score {labels['method']} {labels['protocol']}", unit="frame")
    found = [_table([])]
    for name, group in share:
        folder = predictions / str(name)
        for row in group[group["status"] == "ok"].itertuples():
            _check(folder / f"{row.frame:04d}.png", row.sha256)
        path = kept / f"{digest([labels, group.to_json(double_precision=15)])}.parquet" if kept else None
        if (rows := _load(path)) is None:
            rows = _table(_pair_rows(group, folder, frames, measurer, truth, labels))
            if path is not None:
                tables.write(rows, tables.SCORES, path)
        found.append(rows)
        bar.update(len(group))
    bar.close()
    return pd.concat(found, ignore_index=True)


def _table(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=list(tables.SCORES.columns))
    return tables.check(table, tables.SCORES, "scores")


def _load(path: Path | None) -> pd.DataFrame | None:
    """The rows of a pair as they were kept; None if they were not, or are damaged."""
    try:
        return tables.read(path, tables.SCORES) if path is not None and path.is_file() else None
    except UserError:
        return None


def _pair_rows(
    group: pd.DataFrame,
    folder: Path,
    frames: Frames,
    measurer: Measurer,
    truth: Truth | None,
    labels: dict[str, str],
) -> Iterator[dict[str, Any]]:
    """The rows of one pair."""
    predictions = [
        images.read(folder / f"{row.frame:04d}.png") if row.status == "ok" else None for row in group.itertuples()
    ]
    reasons = [f"{row.status}: {row.reason}" if row.status != "ok" else "" for row in group.itertuples()]
    pair = pair_of(group, predictions, reasons, frames, truth)
    first = group.iloc[0]
    constant = {**labels, "split": frames.index["split"].iloc[int(first["source_row"])], "pair": first["pair"]}
    constant |= {"source_id": first["source_id"], "driver_id": first["driver_id"]}
    digests = ["" if target is None else pixel_sha256(target) for target in pair.targets]
    return rows(pair, measurer, constant, group["sha256"].to_list(), digests)


def pair_of(
    group: pd.DataFrame,
    predictions: Sequence[np.ndarray | None],
    reasons: Sequence[str],
    frames: Frames,
    truth: Truth | None,
) -> Pair:
    """What was made of the rows ``group`` of one pair, with all that it is scored against."""
    drivers = [frames.picture(row) for row in group["driver_row"]]
    targets, regions = _targets(group, drivers, frames, truth)
    source_row = int(group["source_row"].iloc[0])
    return Pair(
        predictions=predictions,
        reasons=reasons,
        drivers=drivers,
        targets=targets,
        source=frames.picture(source_row),
        person=[frames.picture(row) for row in person_rows(frames, frames.index["person"].iloc[source_row])],
        requested=torch.from_numpy(np.stack(group["camera"].to_list())).float(),
        driving=torch.from_numpy(frames.column("camera")[group["driver_row"].to_numpy()]).float(),
        regions=regions,
    )


def _targets(
    group: pd.DataFrame, drivers: list[np.ndarray], frames: Frames, truth: Truth | None
) -> tuple[Sequence[np.ndarray | None], Mapping[str, Sequence[np.ndarray]]]:
    """The true pictures of a pair's frames, and the regions of them that are scored alone."""
    kind = group["target"].iloc[0]
    if kind == "none":
        return [None] * len(group), {}
    known = truth(group) if truth else None
    heads = {"head": known.heads} if known else {}
    if kind == "truth":
        assert known is not None
        return known.pictures, heads
    parts = [np.isin(frames.picture(row, "parts"), EXPRESSIVE) for row in group["driver_row"]]
    return drivers, {"parts": parts, **heads}


def rows(
    pair: Pair, measurer: Measurer, labels: dict[str, str], predictions: Sequence[str], targets: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """The score rows of one pair; ``predictions`` and ``targets`` are the sha256 of each frame."""
    for value in score_pair(pair, measurer):
        is_vector = value.vector is not None
        valid = not np.isnan(value.value)
        yield {
            **labels,
            "frame": value.frame,
            "metric": value.metric,
            "variant": value.variant,
            "backend": value.backend,
            "weights_sha256": value.weights_sha256,
            "value": value.value,
            "valid": valid,
            "reason": "" if valid or is_vector else value.reason or "could not be measured",
            "prediction_sha256": "" if is_vector else predictions[value.frame],
            "target_sha256": "" if is_vector else targets[value.frame],
            "vector": value.vector,
        }


def _check(path: Path, written: str) -> None:
    """Raise `UserError` unless a picture is the one that was written."""
    if sha256(path) != written:
        raise UserError(f"{path}: is not the picture that was written; run 'thedit predict' again.")


def person_rows(frames: Frames, person: str) -> list[int]:
    """Rows of at most `PERSON_PICTURES` frames of a person, evenly spread over all clips."""
    rows = np.flatnonzero(frames.index["person"].to_numpy() == person)
    return rows[evenly(len(rows), PERSON_PICTURES)].tolist()
