"""Where a face is: the box of its landmarks, and how much of two boxes is the same."""

import numpy as np


def spread(landmarks: np.ndarray) -> float:
    """Size of a face: root mean square distance of landmarks (68, 2) from their mean."""
    return float(np.sqrt(((landmarks - landmarks.mean(0)) ** 2).sum(1).mean()))


def box(landmarks: np.ndarray) -> np.ndarray:
    """The square (4,) that dlib's detector would draw around landmarks (68, 2): medians measured on real videos."""
    size = spread(landmarks)
    centre = landmarks.mean(0) - np.array([0.0, 0.078 * size])
    return np.concatenate([centre - 1.425 * size, centre + 1.425 * size])


def iou(first: np.ndarray, second: np.ndarray) -> float:
    """Intersection over union of two boxes (4,)."""
    inside = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    common = float(np.prod(np.maximum(inside, 0)))
    return common / float(np.prod(first[2:] - first[:2]) + np.prod(second[2:] - second[:2]) - common)
