"""What the networks say about one picture, computed once however many methods and protocols ask."""

import hashlib
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from thedit.files import atomic
from thedit.metrics import images
from thedit.metrics.suite import Suite

SIDE = 256  # pictures are enlarged or reduced to this side before faces are looked for


@dataclass(frozen=True)
class Measured:
    """One picture, float64; NaN where no face was found.

    landmarks and tracked (68, 2) in normalised picture coordinates, embedding (D,), blendshapes (52,) or (0,) if the
    suite has no such backend, features (F,) of the whole picture.
    """

    landmarks: np.ndarray
    tracked: np.ndarray
    embedding: np.ndarray
    blendshapes: np.ndarray
    features: np.ndarray

    @property
    def found(self) -> bool:
        """Whether there was a face."""
        return bool(np.isfinite(self.landmarks).all())


class Measurer:
    """Measures pictures with a suite; results are kept in memory and, if given, in the folder ``cache``."""

    def __init__(self, suite: Suite, cache: Path | None = None):
        self.suite = suite
        self._folder = cache / suite.digest if cache else None
        self._memory: dict[str, Measured] = {}

    def __call__(self, picture: np.ndarray) -> Measured:
        """Measure a uint8 picture (H, W, 3)."""
        key = pixel_sha256(picture)
        if key not in self._memory:
            self._memory[key] = self._load(key) or self._keep(key, self._measure(picture))
        return self._memory[key]

    @cached_property
    def blank(self) -> Measured:
        """What is known of a picture that is not there."""
        return Measured(
            landmarks=np.full((68, 2), np.nan),
            tracked=np.full((68, 2), np.nan),
            embedding=np.full(self.suite.embedding.size, np.nan),
            blendshapes=np.full(52 if self.suite.blendshapes else 0, np.nan),
            features=np.empty(0),
        )

    @torch.inference_mode()
    def _measure(self, picture: np.ndarray) -> Measured:
        suite = self.suite
        enlarged = images.enlarge(picture, SIDE)
        features = suite.features.features(_symmetric(picture))[0].double().numpy()
        box = suite.detector.detect(enlarged)
        if box is None:
            return replace(self.blank, features=features)
        points = suite.landmarks.landmarks(enlarged, box)
        tracked = points if suite.tracking.name == suite.landmarks.name else suite.tracking.landmarks(enlarged, box)
        embedding = suite.embedding.embed(enlarged, points)
        blendshapes = suite.blendshapes.blendshapes(enlarged, box) if suite.blendshapes else np.empty(0)
        return Measured(points / SIDE, tracked / SIDE, embedding, blendshapes, features)

    def _load(self, key: str) -> Measured | None:
        path = self._path(key)
        if path is None or not path.is_file():
            return None
        with np.load(path) as arrays:
            return Measured(**arrays)

    def _keep(self, key: str, measured: Measured) -> Measured:
        path = self._path(key)
        if path is not None:
            with atomic(path) as sibling:
                np.savez(sibling, **asdict(measured))
        return measured

    def _path(self, key: str) -> Path | None:
        return self._folder / f"{key}.npz" if self._folder else None


def pixel_sha256(picture: np.ndarray) -> str:
    """Hex SHA-256 of a picture's size and pixels, whatever file it came from."""
    return hashlib.sha256(repr(picture.shape).encode() + np.ascontiguousarray(picture).tobytes()).hexdigest()


def _symmetric(picture: np.ndarray) -> torch.Tensor:
    """A uint8 picture (H, W, 3) as (1, 3, H, W) float32 in [-1, 1]."""
    return images.to_tensor(picture).float() / 127.5 - 1
