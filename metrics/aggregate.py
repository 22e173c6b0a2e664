"""From score rows to the table of results: means with intervals, distances between sets, paired comparisons."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from thedit.errors import UserError
from thedit.metrics import statistics
from thedit.metrics.distribution import frechet_distance
from thedit.metrics.statistics import Interval
from thedit.metrics.suite import feature_metrics
from thedit.metrics.tables import FEATURES, FRAME_KEY, VALUE_KEY, VALUES

Distance = Callable[[Tensor, Tensor], Tensor]
WHAT = ["protocol", "metric", "variant", "backend", "weights_sha256"]
INTERVAL = ["value", "ci_low", "ci_high"]
VALUE = list(VALUES.columns)
IDENTICAL = "-identical"  # variant of the share of frames that are no mean's: identical to their target


def frames(scores: pd.DataFrame) -> pd.DataFrame:
    """The rows with one value per frame, sorted by their key: schema `thedit.metrics.tables.FRAMES`."""
    table = scores[scores["metric"] != FEATURES].drop(columns="vector")
    return table.sort_values(FRAME_KEY, ignore_index=True)


def distances(scores: pd.DataFrame) -> pd.DataFrame:
    """Distances between sets of pictures, from the score rows that hold vectors: schema `thedit.metrics.tables.VALUES`.

    They use the frames that every method delivered, so that n is equal; their intervals leave out people.
    """
    rows = _distances(scores[scores["metric"] == FEATURES])
    return pd.DataFrame(rows, columns=VALUE).sort_values(VALUE_KEY, ignore_index=True)


def metrics(table: pd.DataFrame, between: pd.DataFrame, resamples: int, seed: int) -> pd.DataFrame:
    """One row per method, protocol, metric, variant and backend: value, interval, n, n_failed, n_reference.

    Where some of a group's values are infinite (identical frames have no PSNR), the mean is over the others, and a
    row of the variant with `IDENTICAL` has their share.

    ``table`` follows `thedit.metrics.tables.FRAMES`, of which every method must have the same frames of a protocol, or
    `UserError` names the one that has not. Intervals of means come from ``resamples`` resamples of source people. The
    rows ``between`` of `distances` are added.
    """
    _same_frames(table)
    rows = pd.DataFrame(_means(table, resamples, seed), columns=VALUE)
    return pd.concat([rows, between]).sort_values(VALUE_KEY, ignore_index=True)


def comparisons(table: pd.DataFrame, baseline: str, resamples: int, seed: int) -> pd.DataFrame:
    """Mean difference, method minus ``baseline``, over the frames where both have a finite value, with its interval.

    ``table`` follows `thedit.metrics.tables.FRAMES`. Frames are paired, and source people resampled.
    """
    key = [*WHAT, "pair", "frame"]
    usable = table[np.isfinite(table["value"])]
    base = usable[usable["method"] == baseline].set_index(key)["value"]
    rows = []
    for method, group in usable[usable["method"] != baseline].groupby("method"):
        both = group.set_index(key).join(base.rename("base"), how="inner").reset_index()
        for what, rest in both.groupby(WHAT):
            difference = (rest["value"] - rest["base"]).to_numpy()
            interval = statistics.clustered_mean(difference, people(rest), resamples, seed)
            rows.append(
                {
                    "method": method,
                    "baseline": baseline,
                    **dict(zip(WHAT, what)),
                    "difference": interval.value,
                    "ci_low": interval.low,
                    "ci_high": interval.high,
                    "n": len(rest),
                }
            )
    return pd.DataFrame(rows)


def people(table: pd.DataFrame) -> np.ndarray:
    """The source's person (rows,) of every row: what stands before the last slash of its id, or all of it."""
    return table["source_id"].str.rsplit("/", n=1).str[0].to_numpy(dtype=str)


def _means(table: pd.DataFrame, resamples: int, seed: int) -> Iterator[dict[str, Any]]:
    for (method, *what), group in table.groupby(["method", *WHAT]):
        values = group["value"].to_numpy(dtype=np.float64)
        valid, failed = int(group["valid"].sum()), int((~group["valid"]).sum())
        identical = statistics.apart(values)
        interval = statistics.clustered_mean(values, people(group), resamples, seed)
        yield _row(method, what, interval, n=valid - int(identical.sum()), n_failed=failed)
        if identical.any():
            protocol, metric, variant, *network = what
            alike = np.where(group["valid"], identical, np.nan)
            share = statistics.clustered_mean(alike, people(group), resamples, seed)
            yield _row(method, [protocol, metric, f"{variant}{IDENTICAL}", *network], share, n=valid, n_failed=failed)


def _distances(vectors: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Fréchet and kernel distance of every method's frames from the driving frames and from the people's own."""
    for (protocol, backend, digest), group in vectors.groupby(["protocol", "backend", "weights_sha256"]):
        delivered = group[group["variant"] == "prediction"]
        methods = sorted(delivered["method"].unique())
        makers = delivered.groupby(["pair", "frame"])["method"].nunique()
        shared = makers[makers == len(methods)].index
        for method in methods:
            own = delivered[delivered["method"] == method].set_index(["pair", "frame"])
            wanted = int(((group["method"] == method) & (group["variant"] == "driver")).sum())
            for reference in ("driver", "person"):
                theirs = group[(group["method"] == method) & (group["variant"] == reference)]
                theirs = theirs.sort_values(["pair", "frame"])
                for name, function in feature_metrics(backend).items():
                    interval = _set_distance(function, own.loc[shared], theirs)
                    what = [protocol, name, reference, backend, digest]
                    yield _row(method, what, interval, len(shared), wanted - len(own), len(theirs))


def _set_distance(function: Distance, own: pd.DataFrame, theirs: pd.DataFrame) -> Interval:
    """Distance of two sets of features, with the interval of a jackknife over source people.

    Resampling with repeats would inflate the distance, leaving people out one by one does not.
    """
    features = [np.stack(one["vector"].to_list()) if len(one) else np.empty((0, 1)) for one in (own, theirs)]
    owners = [people(one) for one in (own, theirs)]

    def distance(without: str | None) -> float:
        sets = [one[who != without] for one, who in zip(features, owners)]
        return float(function(*map(torch.from_numpy, sets))) if min(map(len, sets)) > 1 else np.nan

    interval = statistics.jackknife(distance(None), [distance(name) for name in np.unique(np.concatenate(owners))])
    return replace(interval, low=max(interval.low, 0.0)) if function is frechet_distance else interval


def _row(
    method: str, what: list[str], interval: Interval, n: int, n_failed: int, n_reference: int = 0
) -> dict[str, Any]:
    return {
        "method": method,
        **dict(zip(WHAT, what)),
        "value": interval.value,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "n": n,
        "n_failed": n_failed,
        "n_reference": n_reference,
    }


def _same_frames(table: pd.DataFrame) -> None:
    for protocol, group in table.groupby("protocol"):
        sets = {method: set(zip(rows["pair"], rows["frame"])) for method, rows in group.groupby("method")}
        everything = set().union(*sets.values())
        for method, own in sets.items():
            if own != everything:
                raise UserError(
                    f"protocol {protocol}: {method} was scored on {len(own)} frames, others on {len(everything)}; "
                    "score it again, methods are compared at equal n only."
                )
