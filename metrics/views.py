"""How results depend on how far the camera moved: means by yaw, and the change from the view from the front."""

import numpy as np
import pandas as pd

from thedit.metrics import statistics
from thedit.metrics.aggregate import INTERVAL, WHAT, people

STEP = 15  # degrees between the bins of yaw
LEVEL = 0.5  # degrees of pitch within which a view counts as level
METRICS = [
    ("psnr", "target"),
    ("psnr", "target-head"),
    ("csim", "source"),
    ("csim", "source-rescaled"),
    ("apd", "geodesic-degrees@camera"),
]
CHANGE = ["change", "change_low", "change_high"]


def views(table: pd.DataFrame, pairs: pd.DataFrame, resamples: int, seed: int) -> pd.DataFrame:
    """One row per method, protocol, metric of `METRICS` and absolute yaw, with intervals: schema `tables.VIEWS`.

    ``table`` follows `tables.FRAMES`; ``pairs`` has the yaw and pitch in degrees of every frame of the
    multi-view protocols. Yaws of both sides are taken together, at the nearest multiple of `STEP`; views from above or
    below are left out. ``change`` is the mean difference from the same pair's frontal views, where both have a value.
    """
    level = pairs[pairs["pitch"].abs() < LEVEL]
    level = level.assign(yaw=((level["yaw"].abs() / STEP).round() * STEP).astype(int))
    seen = table.merge(level[["protocol", "pair", "frame", "yaw"]], on=["protocol", "pair", "frame"])
    seen = seen[np.array([what in METRICS for what in zip(seen["metric"], seen["variant"])], dtype=bool)]
    rows = []
    for what, group in seen.groupby(["method", *WHAT]):
        front = group[group["yaw"] == 0].groupby("pair")["value"].mean()
        for yaw, there in group.groupby("yaw"):
            owners, values = people(there), there["value"].to_numpy(np.float64)
            change = values - (there["pair"].map(front) if yaw else np.nan)
            value = statistics.clustered_mean(values, owners, resamples, seed)
            change = statistics.clustered_mean(np.where(np.isfinite(change), change, np.nan), owners, resamples, seed)
            apart = int(statistics.apart(values).sum())
            counts = {"n": int(there["valid"].sum()) - apart, "n_failed": int((~there["valid"]).sum())}
            row = {**dict(zip(["method", *WHAT], what)), "yaw": yaw, **counts}
            row |= dict(zip([*INTERVAL, *CHANGE], [*_ends(value), *_ends(change)]))
            rows.append(row)
    return pd.DataFrame(rows, columns=["method", *WHAT, "yaw", *INTERVAL, "n", "n_failed", *CHANGE])


def _ends(interval: statistics.Interval) -> tuple[float, float, float]:
    return interval.value, interval.low, interval.high
