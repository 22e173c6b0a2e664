"""The face networks of `thedit.video.backends` in the roles that scoring gives them, with names and sha256."""

from functools import cached_property
from typing import Any

import cv2
import dlib
import numpy as np

from thedit import weights
from thedit.files import sha256
from thedit.fitting.model import landmark_model
from thedit.video import backends
from thedit.video.backends import dlib as dlib_models

CNN_SIDE = 192  # longer side of the picture that dlib's CNN sees; its time grows with the area
SMALLEST = 80.0  # side in pixels of the smallest face of interest


class Detector:
    """Any detector of preprocessing; the largest of its boxes counts."""

    def __init__(self, name: str, digest: str, backend: str) -> None:
        self.name, self.sha256 = name, digest
        self._find = backends.detector(backend)

    def detect(self, picture: np.ndarray) -> np.ndarray | None:
        """See `thedit.metrics.backends.Detector`."""
        return _largest(self._find(picture, SMALLEST))


class DlibDetector(Detector):
    """Histograms of oriented gradients; where they find nothing, dlib's CNN, which sees turned heads too."""

    def __init__(self) -> None:
        self._file = dlib_models.model("mmod_human_face_detector.dat")
        super().__init__("dlib-hog+cnn", sha256(self._file), "dlib")

    @cached_property
    def _cnn(self) -> Any:
        return dlib.cnn_face_detection_model_v1(self._file)

    def detect(self, picture: np.ndarray) -> np.ndarray | None:
        """See `thedit.metrics.backends.Detector`."""
        box = super().detect(picture)
        if box is not None:
            return box
        scale = CNN_SIDE / max(picture.shape[:2])
        found = [one.rect for one in self._cnn(cv2.resize(picture, None, fx=scale, fy=scale))]
        corners = [(rect.left(), rect.top(), rect.right() + 1, rect.bottom() + 1) for rect in found]
        return _largest(np.array(corners, dtype=np.float64).reshape(-1, 4) / scale)


class Landmarks:
    """Any landmarker of preprocessing."""

    def __init__(self, name: str, digest: str, backend: str) -> None:
        self.name, self.sha256 = name, digest
        self.model = landmark_model(backend)
        self._place = backends.landmarker(backend)

    def landmarks(self, picture: np.ndarray, box: np.ndarray) -> np.ndarray:
        """See `thedit.metrics.backends.Landmarker`."""
        return self._place(picture, box)


class DlibEmbedding:
    """dlib's ResNet of 29 layers, trained with a metric loss; 128 numbers a face aligned by its landmarks."""

    name = "dlib-resnet"
    size = 128

    def __init__(self) -> None:
        self.sha256 = sha256(dlib_models.model("dlib_face_recognition_resnet_model_v1.dat"))
        self._embed = dlib_models.DlibEmbedding()

    def embed(self, picture: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """See `thedit.metrics.backends.Embedder`."""
        return self._embed(picture, landmarks)


def dlib_landmarks() -> Landmarks:
    """dlib's regression trees (public-domain weights; the data behind them excluded commercial use)."""
    return Landmarks("dlib-68", sha256(dlib_models.model("shape_predictor_68_face_landmarks.dat")), "dlib")


def scrfd() -> Detector:
    """SCRFD of insightface's buffalo_l pack: non-commercial research only."""
    return Detector("scrfd-10g", weights.digest(weights.find("scrfd")), "insightface")


def fan() -> Landmarks:
    """FAN, the 2D face alignment network."""
    return Landmarks("2dfan4", weights.digest(weights.find("fan")), "face-alignment")


def blazeface() -> Detector:
    """MediaPipe's short-range detector."""
    return Detector("blazeface", weights.digest(weights.find("mediapipe")), "mediapipe")


def face_mesh() -> Landmarks:
    """68 of the 478 points of MediaPipe's face mesh."""
    return Landmarks("facemesh-68", weights.digest(weights.find("mediapipe")), "mediapipe")


def _largest(boxes: np.ndarray) -> np.ndarray | None:
    """The largest of boxes (N, 4)."""
    if not len(boxes):
        return None
    return boxes[np.argmax((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))]
