"""How well the openings of faces are read in true pictures, against those of AnnyHeads' own landmarks."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch

from thedit.evaluation.annyheads import TrueLabels
from thedit.metrics import statistics, tracking
from thedit.metrics.measure import Measurer
from thedit.metrics.scoring import Frames
from thedit.metrics.temporal import FOLLOWED


def legible(labels: TrueLabels, frames: Frames, measurer: Measurer, split: str = "test") -> pd.DataFrame:
    """Correlation of measured with true openings over the frames of a clip, mean over the clips of a split.

    Rows of schema `thedit.metrics.tables.VALIDITY` with statistic ``pearson``, without dataset, config_hash and
    code_version; clips whose truth hardly moves are left out, and n is how many are not. Intervals leave out people.
    """
    index = frames.index[frames.index["split"] == split]
    clips = index.groupby(["person", "clip"])
    found = pd.DataFrame(
        [row for (person, _), group in clips for row in _clip(labels, measurer, frames, person, group)]
    )
    backend = measurer.suite.tracking
    rows = []
    for variant, group in found.dropna().groupby("variant", sort=False):
        values, people = group["value"].to_numpy(), group["person"].to_numpy(dtype=str)
        without = [values[people != name].mean() for name in np.unique(people)] if len(np.unique(people)) > 1 else []
        interval = statistics.jackknife(float(values.mean()), without)
        rows.append(
            {
                "metric": FOLLOWED,
                "variant": variant,
                "backend": backend.name,
                "weights_sha256": backend.sha256,
                "statistic": "pearson",
                "group": "one clip",
                "value": interval.value,
                "ci_low": interval.low,
                "ci_high": interval.high,
                "n": len(group),
                "n_people": len(np.unique(people)),
            }
        )
    return pd.DataFrame(rows)


def _clip(
    labels: TrueLabels, measurer: Measurer, frames: Frames, person: str, group: pd.DataFrame
) -> Iterator[dict[str, Any]]:
    """One correlation an opening; NaN where the truth hardly moves."""
    rows = group.sort_values("frame").index.to_numpy()
    measured = torch.from_numpy(np.stack([measurer(frames.picture(row)).tracked for row in rows]))
    true = tracking.openings(labels.labels(rows, "landmarks").unflatten(1, (68, 2)))
    shares = tracking.correlation(tracking.openings(measured), true).nanmean(0)
    moving = tracking.moves(true, torch.tensor(list(tracking.STILL.values())))
    for number, name in enumerate(tracking.STILL):
        yield {"person": person, "variant": name, "value": float(shares[number]) if moving[number] else np.nan}
