"""How well each metric tracks what it is meant to measure, on frames whose truth is known.

Expression: rank and linear correlation, over pairs of frames, between the measured distance and the same distance of
the true coefficients. Pose: error in degrees of the fitted against the true camera. Identity: how well the similarity
of two frames tells whether they show one person. Intervals leave out one person at a time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import scipy.stats
import torch

from metrics import statistics
from metrics.backends import Backend
from metrics.expression import AED, aed, aed_landmarks, centred
from metrics.identity import csim
from metrics.pose import apd
from metrics.suite import Suite
from thedit import camera
from thedit.fitting.model import landmark_model

YAW_BINS = ((0, 15), (15, 30), (30, 45), (45, 60), (60, 90), (0, 30), (0, 90))
FALSE_ACCEPTS = 0.01
MILLIMETRES = 1000 / camera.UNITS_PER_METRE
Distances = dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]]


@dataclass(frozen=True)
class Sample:
    """N frames; what a suite measured, NaN where it found no face, and the truth.

    person (N,), clip (N,) names; embedding (N, D); camera (N, 25) and expression (N, 52) fitted; blendshapes (N, 52)
    or (N, 0); true_camera (N, 25); true_expression (N, 52).
    """

    person: np.ndarray
    clip: np.ndarray
    embedding: np.ndarray
    camera: np.ndarray
    expression: np.ndarray
    blendshapes: np.ndarray
    true_camera: np.ndarray
    true_expression: np.ndarray

    def __len__(self) -> int:
        return len(self.person)

    def __getitem__(self, rows: np.ndarray) -> "Sample":
        return Sample(*(getattr(self, field.name)[rows] for field in fields(self)))


def validity(sample: Sample, suite: Suite) -> pd.DataFrame:
    """Rows of schema `metrics.tables.VALIDITY` without dataset, config_hash and code_version."""
    people = np.unique(sample.person)
    whole = list(_statistics(sample, suite))
    parts = [
        {_key(row): row["value"] for row in _statistics(sample[sample.person != person], suite)} for person in people
    ]
    rows = []
    for row in whole:
        without = [part.get(_key(row), np.nan) for part in parts]
        interval = statistics.jackknife(row["value"], without)
        rows.append(row | {"ci_low": interval.low, "ci_high": interval.high, "n_people": len(people)})
    return pd.DataFrame(rows)


def _statistics(sample: Sample, suite: Suite) -> Iterator[dict[str, Any]]:
    found = ~np.isnan(sample.camera[:, 0])
    yield _row("detection", "", suite.detector, "found", "all", float(found.mean()), len(found))
    seen = sample[found]
    yield from _pose(seen, suite.landmarks)
    first, second = np.triu_indices(len(seen), 1)
    yield from _identity(seen, first, second, suite.embedding)
    same = seen.person[first] == seen.person[second]
    for group, rows in (("one person", same), ("two people", ~same)):
        yield from _expression(seen, first[rows], second[rows], group, suite)


def _pose(sample: Sample, backend: Backend) -> Iterator[dict[str, Any]]:
    fitted, true = (torch.from_numpy(label[:, :16].reshape(-1, 4, 4)) for label in (sample.camera, sample.true_camera))
    error = camera.rotation_error(fitted, true).numpy()
    yaw = np.abs(camera.angles(true)[:, 0].numpy())
    for low, high in YAW_BINS:
        rows = error[(yaw >= low) & (yaw < high)]
        if len(rows):
            group = f"yaw {low} to {high}"
            yield _row("pose", "geodesic-degrees", backend, "median", group, float(np.median(rows)), len(rows))
            yield _row("pose", "geodesic-degrees", backend, "p95", group, float(np.quantile(rows, 0.95)), len(rows))
    first, second = np.triu_indices(len(sample), 1)
    same = sample.clip[first] == sample.clip[second]
    measured, wanted = (apd(pose[first[same]], pose[second[same]]).numpy() for pose in (fitted, true))
    if len(measured) > 2:
        correlation = scipy.stats.spearmanr(measured, wanted).statistic
        yield _row("apd", "geodesic-degrees", backend, "spearman", "one clip", float(correlation), len(measured))


def _identity(sample: Sample, first: np.ndarray, second: np.ndarray, backend: Backend) -> Iterator[dict[str, Any]]:
    embedding = torch.from_numpy(sample.embedding)
    similarity = csim(embedding[first], embedding[second]).numpy()
    other_clip = sample.clip[first] != sample.clip[second]  # frames of one clip are too easy to tell
    same = sample.person[first] == sample.person[second]
    pose = torch.from_numpy(sample.true_camera[:, :16].reshape(-1, 4, 4))
    yaw = np.abs(camera.angles(pose)[:, 0].numpy())
    widest = np.maximum(yaw[first], yaw[second])
    for low, high in YAW_BINS:
        rows = other_clip & (widest >= low) & (widest < high)
        positive, negative = similarity[rows & same], similarity[rows & ~same]
        if not len(positive) or not len(negative):
            continue
        group, n = f"yaw {low} to {high}", int(rows.sum())
        area = scipy.stats.mannwhitneyu(positive, negative).statistic / (len(positive) * len(negative))
        threshold = np.quantile(negative, 1 - FALSE_ACCEPTS)
        values = {
            "auc": float(area),
            "tar at far 1 %": float((positive > threshold).mean()),
            "mean of one person": float(positive.mean()),
            "mean of two people": float(negative.mean()),
        }
        for statistic, value in values.items():
            yield _row("csim", "cosine", backend, statistic, group, value, n)


def _expression(
    sample: Sample, first: np.ndarray, second: np.ndarray, group: str, suite: Suite
) -> Iterator[dict[str, Any]]:
    true = torch.from_numpy(sample.true_expression).double()
    actions = landmark_model().actions

    def within_clips(coefficients: torch.Tensor) -> torch.Tensor:
        result = coefficients.clone()
        for clip in np.unique(sample.clip):
            result[sample.clip == clip] = centred(coefficients[sample.clip == clip])
        return result

    def moved(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return aed_landmarks(x, y, actions, MILLIMETRES)

    distances: Distances = {name: partial(aed, variant=name) for name in AED} | {"landmarks-mm": moved}
    for backend, coefficients in ((suite.landmarks, sample.expression), (suite.blendshapes, sample.blendshapes)):
        if backend is None or len(first) < 3:
            continue
        measured = torch.from_numpy(coefficients).double()
        pairs = {variant: (distance, measured, true) for variant, distance in distances.items()}
        pairs["landmarks-mm-centred"] = (moved, within_clips(measured), within_clips(true))
        for variant, (distance, x, y) in pairs.items():
            ours, theirs = (distance(values[first], values[second]).numpy() for values in (x, y))
            spearman, pearson = scipy.stats.spearmanr(ours, theirs).statistic, np.corrcoef(ours, theirs)[0, 1]
            yield _row("aed", variant, backend, "spearman", group, float(spearman), len(ours))
            yield _row("aed", variant, backend, "pearson", group, float(pearson), len(ours))


def _row(
    metric: str, variant: str, backend: Backend, statistic: str, group: str, value: float, n: int
) -> dict[str, Any]:
    return {
        "metric": metric,
        "variant": variant,
        "backend": backend.name,
        "weights_sha256": backend.sha256,
        "statistic": statistic,
        "group": group,
        "value": value,
        "n": n,
    }


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("metric", "variant", "backend", "statistic", "group"))
