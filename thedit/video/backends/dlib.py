"""dlib: the HOG face detector, 68 landmarks (Kazemi & Sullivan, CVPR 2014) and the 128-d face embedding.

The model files come with the package ``face-recognition-models``.
"""

import importlib.util
from pathlib import Path

import cv2
import dlib
import numpy as np

WINDOW = 80  # side of the smallest face that the HOG detector can see
COARSE = 480  # longer side of the picture that is searched first


def model(file: str) -> str:
    """Path of one of the package's model files (the package itself needs pkg_resources, so it is not imported)."""
    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("face_recognition_models")
    return str(Path(spec.origin).parent / "models" / file)


class DlibDetector:
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


class DlibLandmarks:
    """dlib's regression trees, trained on iBUG 300-W (whose licence excludes commercial use)."""

    def __init__(self) -> None:
        self._predict = dlib.shape_predictor(model("shape_predictor_68_face_landmarks.dat"))

    def __call__(self, pixels: np.ndarray, box: np.ndarray) -> np.ndarray:
        """Landmarks (68, 2)."""
        shape = self._predict(pixels, dlib.rectangle(*(round(float(value)) for value in box - (0, 0, 1, 1))))
        return np.array([(point.x, point.y) for point in shape.parts()], float) + 0.5


class DlibEmbedding:
    """128 numbers a face (dlib's ResNet); the same person's lie closer than about 0.6."""

    def __init__(self) -> None:
        self._embed = dlib.face_recognition_model_v1(model("dlib_face_recognition_resnet_model_v1.dat"))

    def __call__(self, pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Embedding (128,) of the face with landmarks (68, 2) in pixels (H, W, 3)."""
        low, high = landmarks.min(0), landmarks.max(0)
        points = [dlib.point(round(float(x)), round(float(y))) for x, y in landmarks]
        box = dlib.rectangle(*(round(float(value)) for value in (*low, *high)))
        return np.array(self._embed.compute_face_descriptor(pixels, dlib.full_object_detection(box, points)))
