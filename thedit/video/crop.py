"""Where the crop lies, in whole pixels, and cutting it out."""

import cv2
import numpy as np

from thedit import camera
from thedit.video.smooth import smooth

SLACK = 1.1  # a box this much larger than the picture shrinks to it rather than reach beyond its edges


def fixed(landmarks: np.ndarray, sides: np.ndarray, width: int, height: int) -> np.ndarray:
    """One box (T, 3) for a whole clip (FOMM): its side the median of ``sides`` (T,), its centre amid all positions.

    landmarks (T, 68, 2) and sides in pixels of a picture of width x height. A box is left, top, side. It lies inside
    the picture as far as it fits.
    """
    middle = landmarks.mean(1)  # (T, 2)
    centre = (middle.min(0) + middle.max(0)) / 2
    side = float(np.median(sides))
    if side <= SLACK * min(width, height):
        side = min(side, min(width, height))
    corner = [
        np.clip(centre[axis] - side / 2, 0, extent - side) if side <= extent else centre[axis] - side / 2
        for axis, extent in enumerate((width, height))
    ]
    return np.tile(np.floor([*corner, side]), (len(landmarks), 1))


def aligned(landmarks: np.ndarray, sides: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """A box a frame (T, 3) that follows the head's position and distance (EG3D), smoothly and without lag."""
    boxes = smooth(np.column_stack([landmarks.mean(1), sides]), frames)
    boxes[:, :2] -= boxes[:, 2:] / 2
    return np.round(boxes)


def sides(labels: np.ndarray, scale: float) -> np.ndarray:
    """Sides (T,) in pixels of crops that show each head from `camera.RADIUS` at focal length `camera.FOCAL`.

    labels (T, 25) of pictures whose unit is ``scale`` pixels: a head at distance d seen with focal length f is as
    large as one at the radius seen with f * radius / d.
    """
    distance = np.linalg.norm(labels[:, [3, 7, 11]] - np.array(camera.PIVOT), axis=1)
    return labels[:, 16] * scale * camera.RADIUS / distance / camera.FOCAL


def cut(pixels: np.ndarray, box: np.ndarray, size: int) -> np.ndarray:
    """The square ``box`` (3,) of pixels (H, W, 3), antialiased, as (size, size, 3); edge pixels go on beyond edges."""
    left, top, side = (int(value) for value in box)
    height, width = pixels.shape[:2]
    before = max(-top, 0), max(-left, 0)
    after = max(top + side - height, 0), max(left + side - width, 0)
    region = pixels[max(top, 0) : top + side, max(left, 0) : left + side]
    if any(before) or any(after):
        region = cv2.copyMakeBorder(region, before[0], after[0], before[1], after[1], cv2.BORDER_REPLICATE)
    return cv2.resize(region, (size, size), interpolation=cv2.INTER_AREA if side >= size else cv2.INTER_CUBIC)
