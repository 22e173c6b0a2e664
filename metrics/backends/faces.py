"""The face networks of `thedit.faces` in the roles that scoring gives them, with names and sha256."""

from typing import ClassVar

import numpy as np

from thedit.faces.registry import Network
from thedit.fitting.model import landmark_model

SMALLEST = 80.0  # side in pixels of the smallest face of interest


class Face:
    """A face network with the name and sha256 of its registry's entry, whose role there is ``role``."""

    role: ClassVar[str]

    def __init__(self, network: Network) -> None:
        self.name, self.sha256 = network.name, network.sha256
        self._network = network.load()


class Detector(Face):
    """The largest of the boxes that a detector finds."""

    role = "detector"

    def detect(self, picture: np.ndarray) -> np.ndarray | None:
        """See `thedit.metrics.backends.Detector`."""
        boxes = self._network(picture, SMALLEST)
        if not len(boxes):
            return None
        return boxes[np.argmax((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))]


class Landmarks(Face):
    """68 landmarks, and where on a head their network places them."""

    role = "landmarks"

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self.model = landmark_model(network.model)

    def landmarks(self, picture: np.ndarray, box: np.ndarray) -> np.ndarray:
        """See `thedit.metrics.backends.Landmarker`."""
        return self._network(picture, box)


class Embedding(Face):
    """Numbers that tell people apart."""

    role = "embedding"

    @property
    def size(self) -> int:
        """How many numbers."""
        return self._network.size

    def embed(self, picture: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """See `thedit.metrics.backends.Embedder`."""
        return self._network(picture, landmarks)


class Blendshapes(Face):
    """Expressions without a fit."""

    role = "blendshapes"

    def blendshapes(self, picture: np.ndarray, box: np.ndarray) -> np.ndarray:
        """See `thedit.metrics.backends.Blendshapes`."""
        return self._network(picture, box)


ROLES: dict[str, type[Face]] = {
    "detector": Detector,
    "landmarks": Landmarks,
    "tracking": Landmarks,
    "embedding": Embedding,
    "blendshapes": Blendshapes,
}
