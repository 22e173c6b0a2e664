"""How well each metric tracks what it is meant to measure, on frames whose truth is known.

Expression: rank and linear correlation, over pairs of frames, between the measured distance and the same distance of
the true coefficients. Pose: error in degrees of the fitted against the true camera. Identity: how well the similarity
of two frames tells whether they show one person. Intervals leave out one person at a time.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd
import scipy.stats
import torch

from thedit import camera
from thedit.metrics import statistics
from thedit.metrics.backends import Backend
from thedit.metrics.expression import centred, variants
from thedit.metrics.identity import csim
from thedit.metrics.pose import apd
from thedit.metrics.suite import Suite

YAW_BINS = ((0, 15), (15, 30), (30, 45), (45, 60), (60, 90), (0, 30), (0, 90))
FALSE_ACCEPTS = 0.01
PAIRS = 100_000  # of two people; more of them would not tell more


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


@dataclass(frozen=True)
class Distances:
    """What one variant of a metric says of P pairs, and what it would say of the truth: measured and true (P,)."""

    metric: str
    variant: str
    backend: Backend
    measured: np.ndarray
    true: np.ndarray


@dataclass(frozen=True)
class Pairs:
    """P pairs of frames with a face.

    people (P, 2) names; one_clip (P,) whether both are of one clip; yaw (P,) the larger of both in degrees; similarity
    (P,) of the embeddings; and the distances that are compared with the truth.
    """

    people: np.ndarray
    one_clip: np.ndarray
    yaw: np.ndarray
    similarity: np.ndarray
    distances: list[Distances]

    @property
    def one_person(self) -> np.ndarray:
        """Whether both frames (P,) show one person."""
        return self.people[:, 0] == self.people[:, 1]

    def __getitem__(self, rows: np.ndarray) -> "Pairs":
        distances = [replace(one, measured=one.measured[rows], true=one.true[rows]) for one in self.distances]
        return Pairs(self.people[rows], self.one_clip[rows], self.yaw[rows], self.similarity[rows], distances)


def validity(sample: Sample, suite: Suite) -> pd.DataFrame:
    """Rows of schema `thedit.metrics.tables.VALIDITY` without dataset, config_hash and code_version."""
    found = ~np.isnan(sample.camera[:, 0])
    frames, pairs = _frames(sample[found]), _pairs(sample[found], suite)
    people = np.unique(sample.person)
    whole = list(_statistics(sample.person, found, frames, pairs, suite))
    parts = []
    for person in people:
        kept, without = sample.person != person, pairs[(pairs.people != person).all(1)]
        rest = _statistics(sample.person[kept], found[kept], frames[frames["person"] != person], without, suite)
        parts.append({_key(row): row["value"] for row in rest})
    rows = []
    for row in whole:
        interval = statistics.jackknife(row["value"], [part.get(_key(row), np.nan) for part in parts])
        rows.append(row | {"ci_low": interval.low, "ci_high": interval.high, "n_people": len(people)})
    return pd.DataFrame(rows)


def _frames(sample: Sample) -> pd.DataFrame:
    """Of each frame with a face: person, true yaw, error of the pose in degrees, and what is left of it (`centred`)
    once the mean error of the person's frames is taken away.
    """
    fitted, true = _poses(sample.camera), _poses(sample.true_camera)
    error = fitted[:, :3, :3] @ true[:, :3, :3].mT  # in the head's axes, where a person's error is constant
    constant = torch.empty_like(error)
    for person in np.unique(sample.person):
        rows = torch.from_numpy(sample.person == person)
        u, _, vh = torch.linalg.svd(error[rows].mean(0))
        constant[rows] = u @ vh  # the rotation nearest to the mean
    return pd.DataFrame(
        {
            "person": sample.person,
            "yaw": _yaw(sample),
            "geodesic-degrees": camera.rotation_error(fitted, true).numpy(),
            "geodesic-degrees-centred": camera.rotation_error(error, constant).numpy(),
        }
    )


def _pairs(sample: Sample, suite: Suite) -> Pairs:
    """All pairs of one person's frames, and of two people's at most `PAIRS`, drawn at random but always alike."""
    first, second = np.triu_indices(len(sample), 1)
    same = sample.person[first] == sample.person[second]
    two = np.flatnonzero(~same)
    if len(two) > PAIRS:
        two = np.random.default_rng(0).choice(two, PAIRS, replace=False)
    chosen = np.sort(np.concatenate([np.flatnonzero(same), two]))
    first, second = first[chosen], second[chosen]
    yaw, embedding = _yaw(sample), torch.from_numpy(sample.embedding)
    fitted, true = _poses(sample.camera), _poses(sample.true_camera)
    measured, wanted = (apd(pose[first], pose[second]).numpy() for pose in (fitted, true))
    return Pairs(
        people=np.stack([sample.person[first], sample.person[second]], axis=1),
        one_clip=sample.clip[first] == sample.clip[second],
        yaw=np.maximum(yaw[first], yaw[second]),
        similarity=csim(embedding[first], embedding[second]).numpy(),
        distances=[
            Distances("apd", "geodesic-degrees", suite.landmarks, measured, wanted),
            *_expressions(sample, first, second, suite),
        ],
    )


def _expressions(sample: Sample, first: np.ndarray, second: np.ndarray, suite: Suite) -> Iterator[Distances]:
    """Every variant of AED, from fitted coefficients and from a network's."""
    true = torch.from_numpy(sample.true_expression).double()
    clips = [sample.clip == clip for clip in np.unique(sample.clip)]

    def within_clips(measured: torch.Tensor, wanted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        measured, wanted = measured.clone(), wanted.clone()
        for rows in clips:
            measured[rows], wanted[rows] = centred(measured[rows]), centred(wanted[rows])
        return measured, wanted

    for backend, coefficients in ((suite.landmarks, sample.expression), (suite.blendshapes, sample.blendshapes)):
        if backend is None:
            continue
        measured = torch.from_numpy(coefficients).double()
        for name, (distance, ours, theirs) in variants(measured, true, suite.landmarks.model, within_clips).items():
            found, wanted = (distance(values[first], values[second]).numpy() for values in (ours, theirs))
            yield Distances("aed", name, backend, found, wanted)


def _statistics(
    person: np.ndarray, found: np.ndarray, frames: pd.DataFrame, pairs: Pairs, suite: Suite
) -> Iterator[dict[str, Any]]:
    yield _row("detection", "", suite.detector, "found", "all", float(found.mean()), len(person))
    yield from _pose(frames, suite.landmarks)
    yield from _identity(pairs, suite.embedding)
    groups = {"one clip": pairs.one_clip, "one person": pairs.one_person, "two people": ~pairs.one_person}
    for group, rows in groups.items():
        if rows.sum() < 3:
            continue
        for one in pairs.distances:
            x, y = one.measured[rows], one.true[rows]
            spearman, pearson = float(scipy.stats.spearmanr(x, y).statistic), float(np.corrcoef(x, y)[0, 1])
            yield _row(one.metric, one.variant, one.backend, "spearman", group, spearman, len(x))
            yield _row(one.metric, one.variant, one.backend, "pearson", group, pearson, len(x))


def _pose(frames: pd.DataFrame, backend: Backend) -> Iterator[dict[str, Any]]:
    for low, high in YAW_BINS:
        rows = frames[(frames["yaw"] >= low) & (frames["yaw"] < high)]
        if not len(rows):
            continue
        for variant in ("geodesic-degrees", "geodesic-degrees-centred"):
            for statistic, value in (("median", rows[variant].median()), ("p95", rows[variant].quantile(0.95))):
                yield _row("pose", variant, backend, statistic, f"yaw {low} to {high}", float(value), len(rows))


def _identity(pairs: Pairs, backend: Backend) -> Iterator[dict[str, Any]]:
    other_clip = ~pairs.one_clip  # frames of one clip are too easy to tell
    for low, high in YAW_BINS:
        rows = other_clip & (pairs.yaw >= low) & (pairs.yaw < high)
        positive = pairs.similarity[rows & pairs.one_person]
        negative = pairs.similarity[rows & ~pairs.one_person]
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


def _poses(cameras: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(cameras[:, :16].reshape(-1, 4, 4)).double()


def _yaw(sample: Sample) -> np.ndarray:
    """True yaw (N,) in degrees, without its sign."""
    return np.abs(camera.angles(_poses(sample.true_camera))[:, 0].numpy())


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
