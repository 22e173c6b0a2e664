"""The ends of the scale that CSIM is read on: how alike the data's own pictures of one person and of two people are."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from thedit.metrics import statistics
from thedit.metrics.identity import csim, rescaled
from thedit.metrics.measure import Measurer
from thedit.metrics.scoring import Frames, person_rows
from thedit.metrics.tables import SCALE

SAME, DIFFERENT = "one person", "two people"
KNOWN = Path(__file__).with_name("scale.json")  # made from results/reference/scale.parquet, which a test compares


def scale(frames: Frames, measurer: Measurer, split: str = "test") -> pd.DataFrame:
    """Mean similarity of two pictures of `SAME` and of `DIFFERENT`: schema `tables.SCALE`.

    The pictures are those that `run.person_rows` takes of every person of the split; pictures without a face
    are left out and counted. Two pictures of one person are of different clips, since frames of one clip are alike for
    other reasons; where no person has two clips there is no mean. Intervals leave out one person at a time.
    """
    index = frames.index[frames.index["split"] == split]
    rows = [row for person in sorted(index["person"].unique()) for row in person_rows(frames, person)]
    measured = [measurer(frames.picture(row)) for row in rows]
    found = np.array([one.found for one in measured])
    people, clips = (index.loc[rows, name].to_numpy(dtype=str)[found] for name in ("person", "clip"))
    embeddings = torch.from_numpy(np.stack([one.embedding for one in measured])[found])
    backend = measurer.suite.embedding
    common = {"backend": backend.name, "weights_sha256": backend.sha256, "n_failed": int((~found).sum())}
    return pd.DataFrame([common | row for row in _means(embeddings, people, clips)])


def known(backend: str, weights_sha256: str) -> tuple[str, pd.DataFrame]:
    """What was measured once of an embedding network (`KNOWN`): on which data, and the rows of `scale`, if any."""
    measured = json.loads(KNOWN.read_text())
    table = pd.DataFrame(measured["rows"], columns=list(SCALE.columns))
    return measured["data"], table[(table["backend"] == backend) & (table["weights_sha256"] == weights_sha256)]


def on_scale(table: pd.DataFrame, ends: pd.DataFrame) -> pd.DataFrame:
    """``table`` (schema `tables.FRAMES`) with CSIM against the source once more, read on the scale ``ends``.

    No row is added for a network whose scale is not there, or upside down.
    """
    parts = [table]
    for backend, rows in table[(table["metric"] == "csim") & (table["variant"] == "source")].groupby("backend"):
        means = ends[ends["backend"] == backend].set_index("group")["value"].to_dict()
        same, different = means.get(SAME, np.nan), means.get(DIFFERENT, np.nan)
        if same > different:
            values = rescaled(torch.tensor(rows["value"].to_numpy(np.float64)), same, different)
            parts.append(rows.assign(variant="source-rescaled", value=values.numpy()))
    return pd.concat(parts, ignore_index=True)


def _means(embeddings: torch.Tensor, people: np.ndarray, clips: np.ndarray) -> Iterator[dict[str, Any]]:
    first, second = np.triu_indices(len(people), 1)
    similarity = csim(embeddings[first], embeddings[second]).numpy()
    one = people[first] == people[second]
    for group, chosen in ((SAME, one & (clips[first] != clips[second])), (DIFFERENT, ~one)):
        values, owners = similarity[chosen], (people[first][chosen], people[second][chosen])
        without = [values[(owners[0] != name) & (owners[1] != name)] for name in np.unique(people)]
        interval = statistics.jackknife(_mean(values), [_mean(rest) for rest in without])
        yield {
            "group": group,
            "value": interval.value,
            "ci_low": interval.low,
            "ci_high": interval.high,
            "n": len(values),
            "n_people": len(np.unique(people)),
        }


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else np.nan
