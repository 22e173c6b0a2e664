"""dlib: face detectors, 68 landmarks (Kazemi & Sullivan, CVPR 2014) and the 128-d face embedding.

The model files come with the package ``face-recognition-models``.
"""

from functools import cached_property
from typing import Any

import cv2
import dlib
import numpy as np

from thedit.faces.registry import find

CNN_SIDE = 192  # longer side of the picture that the CNN sees; its time grows with the area
WINDOW = 80  # side of the smallest face that the HOG detector can see
COARSE = 480  # longer side of the picture that is searched first


class Hog:
    """HOG detector on a small copy of the picture; on finer copies, as far as ``smallest`` asks, if that shows none."""

    def __init__(self) -> None:
        self._detect = dlib.get_frontal_face_detector()

    def __call__(self, pixels: np.ndarray, smallest: float) -> np.ndarray:
        """Boxes (N, 4)."""
        finest = WINDOW / smallest
        scale = min(COARSE / max(pixels.shape[:2]), finest)
        while True:
            copy = cv2.resize(
                pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            )
            found = self._detect(copy, 0)
            if found or scale >= finest:
                boxes = [(face.left(), face.top(), face.right() + 1, face.bottom() + 1) for face in found]
                return np.array(boxes, float).reshape(-1, 4) / scale
            scale = min(2 * scale, finest)


class HogCnn(Hog):
    """Where histograms of oriented gradients find nothing, dlib's CNN, which sees turned heads too."""

    @cached_property
    def _cnn(self) -> Any:
        return dlib.cnn_face_detection_model_v1(str(find("detector", "dlib-hog+cnn").file))

    def __call__(self, pixels: np.ndarray, smallest: float) -> np.ndarray:
        """Boxes (N, 4)."""
        boxes = super().__call__(pixels, smallest)
        if len(boxes):
            return boxes
        scale = CNN_SIDE / max(pixels.shape[:2])
        found = [one.rect for one in self._cnn(cv2.resize(pixels, None, fx=scale, fy=scale))]
        corners = [(rect.left(), rect.top(), rect.right() + 1, rect.bottom() + 1) for rect in found]
        return np.array(corners, dtype=np.float64).reshape(-1, 4) / scale


class Landmarks:
    """dlib's regression trees, trained on iBUG 300-W (whose licence excludes commercial use)."""

    def __init__(self) -> None:
        self._predict = dlib.shape_predictor(str(find("landmarks", "dlib-68").file))

    def __call__(self, pixels: np.ndarray, box: np.ndarray) -> np.ndarray:
        """Landmarks (68, 2)."""
        shape = self._predict(pixels, dlib.rectangle(*(round(float(value)) for value in box - (0, 0, 1, 1))))
        return np.array([(point.x, point.y) for point in shape.parts()], float) + 0.5


class Embedding:
    """128 numbers a face (dlib's ResNet of 29 layers); the same person's lie closer than about 0.6."""

    size = 128

    def __init__(self) -> None:
        self._embed = dlib.face_recognition_model_v1(str(find("embedding", "dlib-resnet").file))

    def __call__(self, pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Embedding (128,) of the face with landmarks (68, 2) in pixels (H, W, 3)."""
        low, high = landmarks.min(0), landmarks.max(0)
        points = [dlib.point(round(float(x)), round(float(y))) for x, y in landmarks]
        box = dlib.rectangle(*(round(float(value)) for value in (*low, *high)))
        pixels = np.ascontiguousarray(pixels)  # dlib refuses what is cut out of a larger picture
        return np.array(self._embed.compute_face_descriptor(pixels, dlib.full_object_detection(box, points)))
