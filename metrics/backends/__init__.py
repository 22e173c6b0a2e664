"""The networks that score, one interface per role; those that look at faces are `thedit.faces`'.

Pictures are uint8 RGB arrays (H, W, 3); boxes (left, top, right, bottom) and landmarks are in pixels, the upper left
corner of the upper left pixel being (0, 0). Every backend has a ``name`` and the ``sha256`` of its weights.
"""

from typing import Protocol

import numpy as np
from torch import Tensor

from thedit.fitting.model import LandmarkModel


class Backend(Protocol):
    """What every backend tells of itself."""

    name: str
    sha256: str


class Detector(Backend, Protocol):
    """Finds the face."""

    def detect(self, picture: np.ndarray) -> np.ndarray | None:
        """Box (4,) of the largest face, or None."""


class Landmarker(Backend, Protocol):
    """Places the 68 iBUG landmarks."""

    model: LandmarkModel  # where on a head it places them, which a fit needs

    def landmarks(self, picture: np.ndarray, box: np.ndarray) -> np.ndarray:
        """Landmarks (68, 2) of the face in ``box``."""


class Embedder(Backend, Protocol):
    """Tells people apart."""

    size: int  # numbers of an embedding

    def embed(self, picture: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Embedding (D,) of the face with ``landmarks`` (68, 2)."""


class Blendshapes(Backend, Protocol):
    """Reads expressions without a fit."""

    def blendshapes(self, picture: np.ndarray, box: np.ndarray) -> np.ndarray:
        """The 52 ARKit coefficients (52,) in [0, 1], order of `thedit.heads.assets.BLENDSHAPES`; NaN without a face."""


class Perceptual(Backend, Protocol):
    """Compares pictures pair by pair."""

    metric: str  # what its distance is called: lpips, or perceptual for any other network

    def distance(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Distances (B,), float64, of pictures (B, 3, H, W) in [-1, 1]."""


class Features(Backend, Protocol):
    """Describes a picture for distances between sets."""

    def features(self, pictures: Tensor) -> Tensor:
        """Features (B, D) of pictures (B, 3, H, W) in [-1, 1]."""
