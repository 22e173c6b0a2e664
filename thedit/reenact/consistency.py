"""Whether the landmark network knows what it looks at, told without any truth.

A face as it has learned them gets the same landmarks in the mirrored picture, and less alike ones in pictures that are
turned by a quarter. One in profile, one that lies on its side and what is no face get others in the mirrored picture.
"""

import cv2
import numpy as np

from thedit.faces.registry import Landmarker
from thedit.training.augment import MIRRORED_LANDMARKS
from thedit.video.boxes import box, spread
from thedit.video.track import settled

# Between landmarks and those of the mirrored picture, in spreads of the face. Frames of seven clips and six portraits
# reach 0.061 (130 faces), heads turned by up to 50 degrees 0.086; heads rolled by 60 degrees begin at 0.130.
LIMIT = 0.11
UPRIGHT = 0.7  # of the gap as it is, that of a quarter turn. Upright faces begin at 1.5; of lying ones most are below
VIEW = 3  # side of what is looked at, in sides of the face's box


def doubt(pixels: np.ndarray, landmarks: np.ndarray, landmarker: Landmarker) -> str:
    """Why the face with ``landmarks`` (68, 2) in ``pixels`` (H, W, 3) is read wrongly; empty where it is not.

    ``landmarker`` is the network ``annyheads``, whose `LIMIT` and `UPRIGHT` were measured.
    """
    view = _around(pixels, landmarks)
    upright, *turned = [_gap(np.ascontiguousarray(np.rot90(view, quarter)), landmarker) for quarter in range(4)]
    if upright > LIMIT or min(turned) < UPRIGHT * upright:
        return "the face cannot be read: it is not upright (then turn the picture), seen from its side, or no person's"
    return ""


def _gap(view: np.ndarray, landmarker: Landmarker) -> float:
    """RMS distance between the landmarks of the face amid a view (N, N, 3) and the mirrored view's, over its spread."""
    side = len(view)
    points = settled(landmarker, view, np.array([1, 1, 2, 2]) * side / VIEW)
    left, top, right, bottom = box(points)
    other = landmarker(np.ascontiguousarray(view[:, ::-1]), np.array([side - right, top, side - left, bottom]))
    other = other[list(MIRRORED_LANDMARKS)] * (-1, 1) + (side, 0)
    return float(np.sqrt(((points - other) ** 2).sum(1).mean())) / spread(points)


def _around(pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """The square of `VIEW` times the face's box; beyond the picture its edge is repeated."""
    left, top, right, _ = box(landmarks)
    side = VIEW * round(right - left)
    shift = np.array([left, top]).round() - side / VIEW
    matrix = np.column_stack([np.eye(2), -shift])
    return cv2.warpAffine(pixels, matrix, (side, side), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
