"""Results whose faults are known, made from the true pictures of AnnyHeads: which metric sees which fault?"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch

from thedit.evaluation.annyheads import TruePictures
from thedit.heads.assets import BLENDSHAPES
from thedit.metrics import aggregate, scoring, tables
from thedit.metrics.measure import Measurer, pixel_sha256

NOISE, FLICKER = 12.0, 0.1  # standard deviation in levels of 0 to 255; share by which every other frame is darker
MOUTH = [number for number, name in enumerate(BLENDSHAPES) if name.startswith(("mouth", "jaw", "tongue", "cheekPuff"))]


def seen(
    pairs: pd.DataFrame, frames: scoring.Frames, measurer: Measurer, truth: TruePictures, resamples: int, seed: int
) -> pd.DataFrame:
    """What every metric says of each fault in the frames ``pairs``, which have true pictures.

    Rows of schema `thedit.metrics.tables.VALIDITY` with statistic ``mean`` and the fault as group, without dataset,
    config_hash and code_version.
    """
    scores: list[dict[str, Any]] = []
    for _, group in pairs.groupby("pair"):
        rows = group.sort_values("frame")
        for fault, pictures in faults(rows, frames, truth):
            pair = scoring.pair_of(rows, pictures, [""] * len(rows), frames, truth)
            digests = ([pixel_sha256(one) for one in group if one is not None] for group in (pictures, pair.targets))
            first = rows.iloc[0]
            labels = dict.fromkeys(("method_version", "dataset", "split"), "")
            labels |= {"method": fault, **first[["protocol", "pair", "source_id", "driver_id"]].to_dict()}
            scores += scoring.rows(pair, measurer, labels, *digests)
    table = aggregate.frames(pd.DataFrame(scores, columns=list(tables.SCORES.columns)))
    none = pd.DataFrame(columns=list(tables.VALUES.columns))
    means = aggregate.metrics(table, none, resamples, seed).rename(columns={"method": "group"})
    return means.assign(statistic="mean", n_people=len(np.unique(aggregate.people(table))))


def faults(rows: pd.DataFrame, frames: scoring.Frames, truth: TruePictures) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Names and pictures of what a method could have made of one pair's frames; the first is without fault."""
    pictures = truth(rows).pictures
    random = np.random.default_rng(0)
    yield "true picture", pictures
    noisy = [one + random.normal(0, NOISE, one.shape) for one in pictures]
    yield "noise", [one.round().clip(0, 255).astype(np.uint8) for one in noisy]
    expression = truth.expression(rows)
    for fault, chosen in {"frozen mouth": MOUTH, "frozen face": list(range(len(BLENDSHAPES)))}.items():
        frozen = expression.clone()
        frozen[:, torch.tensor(chosen)] = expression[:1, torch.tensor(chosen)]
        yield fault, list(truth.render(rows, frozen).image)
    yield "a frame late", [pictures[0], *pictures[:-1]]
    yield "flickers", [(one * (1 - FLICKER * (number % 2))).astype(np.uint8) for number, one in enumerate(pictures)]
    yield "copy of the source", [frames.picture(int(rows["source_row"].iloc[0]))] * len(rows)
    yield "copy of the driver", [frames.picture(int(row)) for row in rows["driver_row"]]
