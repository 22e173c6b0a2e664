"""The facial-part mask, drawn from 68 landmarks."""

import cv2
import numpy as np

from thedit.shards.batch import PARTS

SHIFT = 4  # fractional bits of the drawing coordinates
FOREHEAD = 0.9  # height of the forehead above the brows, in heights of the face from the brows to the nose's base
THICKNESS = 0.045  # of a brow, in widths of the face


def draw(landmarks: np.ndarray, size: int) -> np.ndarray:
    """Labels (size, size) uint8 of `PARTS` for landmarks (68, 2) in normalised picture coordinates."""
    mask = np.zeros((size, size), np.uint8)
    points = np.clip(landmarks, -1, 2) * size - 0.5  # centres of pixels are whole numbers here
    jaw, brows, nose, eyes, mouth = points[:17], points[17:27], points[27:36], points[36:48], points[48:60]
    up = FOREHEAD * (brows.mean(0) - nose[4:].mean(0))
    width = float(np.linalg.norm(jaw[16] - jaw[0]))
    _fill(mask, np.concatenate([jaw, brows + up]), PARTS["face"])
    for brow in (brows[:5], brows[5:]):
        line = [(brow * 2**SHIFT).round().astype(np.int32)]
        cv2.polylines(mask, line, False, PARTS["brows"], max(1, round(THICKNESS * width)), cv2.LINE_8, SHIFT)
    _fill(mask, nose, PARTS["nose"])
    for eye in (eyes[:6], eyes[6:]):
        middle = eye.mean(0)
        _fill(mask, middle + 1.3 * (eye - middle), PARTS["eyes"])  # with the lids
    _fill(mask, mouth, PARTS["mouth"])
    return mask


def _fill(mask: np.ndarray, points: np.ndarray, label: int) -> None:
    hull = cv2.convexHull((points * 2**SHIFT).round().astype(np.int32))
    cv2.fillConvexPoly(mask, hull, label, cv2.LINE_8, SHIFT)
