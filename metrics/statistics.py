"""Estimates with intervals clustered by identity: bootstrap for means, jackknife for anything else.

Frames of one person are not independent, so whole people are resampled (Davison and Hinkley, 1997, section 3.8).
Sums are exact (`math.fsum`), so the order of the frames never matters.
"""

import math
from dataclasses import dataclass

import numpy as np
import scipy.stats

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval; NaN where it cannot be had."""

    value: float
    low: float
    high: float


def resamples(clusters: int, count: int, seed: int) -> np.ndarray:
    """How often each cluster is drawn in each bootstrap resample (count, clusters), int64."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=count)


def apart(values: np.ndarray) -> np.ndarray:
    """Which of ``values`` (N,) are infinite beside finite ones: identical frames, that would hide the others' mean."""
    return np.isinf(values) & np.isfinite(values).any()


def clustered_mean(values: np.ndarray, clusters: np.ndarray, count: int, seed: int) -> Interval:
    """Mean of ``values`` (N,) with a percentile interval from ``count`` resamples of whole ``clusters`` (N,).

    NaN values are left out, and infinite ones that are `apart`; with fewer than two clusters there is no interval.
    """
    kept = ~np.isnan(values) & ~apart(values)
    values, clusters = values[kept], clusters[kept]
    if not len(values):
        return Interval(math.nan, math.nan, math.nan)
    mean = _mean(values)
    names = np.unique(clusters)
    if len(names) < 2:
        return Interval(mean, math.nan, math.nan)
    sums = np.array([_sum(values[clusters == name]) for name in names])
    sizes = np.array([(clusters == name).sum() for name in names])
    drawn = resamples(len(names), count, seed)
    with np.errstate(invalid="ignore"):
        totals = np.where(drawn > 0, drawn * sums, 0.0).sum(1)
    bounds = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low, high = np.quantile(totals / (drawn @ sizes), bounds, method="nearest")
    return Interval(mean, float(low), float(high))


def jackknife(value: float, without: list[float]) -> Interval:
    """Interval of an estimate from its values ``without`` each cluster (Efron and Stein, 1981), by Student's t."""
    n = len(without)
    if n < 2 or not np.isfinite([value, *without]).all():
        return Interval(value, math.nan, math.nan)
    spread = math.sqrt((n - 1) / n * float(np.square(np.array(without) - np.mean(without)).sum()))
    reach = float(scipy.stats.t.ppf((1 + LEVEL) / 2, n - 1)) * spread
    return Interval(value, value - reach, value + reach)


def _mean(values: np.ndarray) -> float:
    return _sum(values) / len(values)


def _sum(values: np.ndarray) -> float:
    """Exact sum; infinite if any value is."""
    return math.fsum(values) if np.isfinite(values).all() else float(values.sum())
