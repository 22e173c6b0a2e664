"""Face detectors and 68-landmark networks by name; weights that pip does not carry are found by `thedit.weights`.

A detector is called with pixels (H, W, 3) uint8 RGB and the side of the smallest face of interest; it returns boxes
(N, 4) float: left, top, right, bottom in pixels. A landmarker is called with pixels and one box (4,); it returns
(68, 2) float pixel coordinates in iBUG order, pixel centres at half-integers.
"""

from typing import Protocol

import numpy as np

DETECTORS = ("dlib", "yunet", "insightface", "mediapipe")
LANDMARKERS = ("dlib", "annyheads", "face-alignment", "mediapipe")


class Detector(Protocol):
    """Finds faces."""

    def __call__(self, pixels: np.ndarray, smallest: float) -> np.ndarray:
        """Boxes (N, 4)."""
        ...


class Landmarker(Protocol):
    """Finds the 68 landmarks of one face."""

    def __call__(self, pixels: np.ndarray, box: np.ndarray) -> np.ndarray:
        """Landmarks (68, 2)."""
        ...


def detector(name: str) -> Detector:
    """The detector ``name`` of `DETECTORS`; `UserError` when its weights are missing or wrong."""
    if name == "dlib":
        from thedit.video.backends.dlib import DlibDetector

        return DlibDetector()
    if name == "yunet":
        from thedit.video.backends.yunet import YuNet

        return YuNet()
    if name == "insightface":
        from thedit.video.backends.insightface import Scrfd

        return Scrfd()
    from thedit.video.backends.mediapipe import BlazeFace

    return BlazeFace()


def landmarker(name: str) -> Landmarker:
    """The landmarker ``name`` of `LANDMARKERS`; `UserError` when its weights are missing or wrong."""
    if name == "dlib":
        from thedit.video.backends.dlib import DlibLandmarks

        return DlibLandmarks()
    if name == "annyheads":
        from thedit.video.backends.annyheads import AnnyHeadsLandmarks

        return AnnyHeadsLandmarks()
    if name == "face-alignment":
        from thedit.video.backends.face_alignment import Fan

        return Fan()
    from thedit.video.backends.mediapipe import FaceMesh

    return FaceMesh()
