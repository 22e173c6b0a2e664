"""Similarity alignment of faces by five points, as ArcFace's training data were aligned (Deng et al., CVPR 2019)."""

import cv2
import numpy as np

# Left eye, right eye, nose tip, left and right mouth corner in the 112 x 112 picture, left being the picture's left.
ARCFACE_POINTS = np.array(
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)]
)
ARCFACE_SIDE = 112


def five_points(landmarks: np.ndarray) -> np.ndarray:
    """Eye centres, nose tip and mouth corners (5, 2) of the 68 landmarks (68, 2)."""
    return np.stack([landmarks[36:42].mean(0), landmarks[42:48].mean(0), landmarks[30], landmarks[48], landmarks[54]])


def similarity(points: np.ndarray, template: np.ndarray) -> np.ndarray:
    """The matrix (2, 3) of rotation, scale and shift that maps ``points`` (N, 2) to ``template`` best.

    Least squares in closed form (Umeyama, 1991).
    """
    middle, goal = points.mean(0), template.mean(0)
    centred, wanted = points - middle, template - goal
    u, stretch, vt = np.linalg.svd(wanted.T @ centred)
    sign = np.array([1.0, np.sign(np.linalg.det(u @ vt))])
    scale = (stretch * sign).sum() / np.square(centred).sum()
    linear = scale * (u * sign) @ vt
    return np.concatenate([linear, (goal - linear @ middle)[:, None]], axis=1)


def aligned(picture: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """The face of ``picture`` (H, W, 3) with ``landmarks`` (68, 2), warped to ArcFace's (112, 112, 3)."""
    matrix = similarity(five_points(landmarks), ARCFACE_POINTS)
    return cv2.warpAffine(picture, matrix, (ARCFACE_SIDE, ARCFACE_SIDE), borderValue=(0.0, 0.0, 0.0))
