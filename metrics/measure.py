"""What the networks say about one picture, computed once however many methods and protocols ask."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from thedit import cache
from thedit.metrics import images
from thedit.metrics.suite import Suite
from thedit.provenance import code_hash

REMEMBERED = 2000  # pictures; a frame is asked for again within its clip
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
    """Measures pictures with a suite; results are kept in memory and, if given, in ``folder``.

    What is kept there is of this suite's networks and of this code.
    """

    def __init__(self, suite: Suite, folder: Path | None = None):
        self.suite = suite
        self._folder = folder / f"{suite.digest}-{code_hash(__name__, *suite.modules)}" if folder else None
        self._memory: dict[str, Measured] = {}

    def __call__(self, picture: np.ndarray) -> Measured:
        """Measure a uint8 picture (H, W, 3)."""
        key = pixel_sha256(picture)
        if key not in self._memory:
            measured = cache.load(self._path(key), Measured)
            if measured is None:
                measured = self._measure(picture)
                cache.save(self._path(key), measured)
            self._memory[key] = measured
            if len(self._memory) > REMEMBERED:
                del self._memory[next(iter(self._memory))]
            return measured
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

    def _path(self, key: str) -> Path | None:
        return self._folder / f"{key}.npz" if self._folder else None


def pixel_sha256(picture: np.ndarray) -> str:
    """Hex SHA-256 of a picture's size and pixels, whatever file it came from."""
    return hashlib.sha256(repr(picture.shape).encode() + np.ascontiguousarray(picture).tobytes()).hexdigest()


def _symmetric(picture: np.ndarray) -> torch.Tensor:
    """A uint8 picture (H, W, 3) as (1, 3, H, W) float32 in [-1, 1]."""
    return images.to_tensor(picture).float() / 127.5 - 1
