"""Where the crop lies, in whole pixels, and cutting it out."""

import cv2
import numpy as np

from thedit import camera
from thedit.video.smooth import HEAD, smooth


def fixed(landmarks: np.ndarray, side: float, width: int, height: int) -> np.ndarray:
    """One box (T, 3) for a whole clip (FOMM), its centre amid all positions of the landmarks (T, 68, 2).

    A box is left, top, side in whole pixels of a picture of width x height. It lies inside the picture: it is moved
    and, where the picture is too small for it, shrunk.
    """
    middle = landmarks.mean(1)  # (T, 2)
    centre = (middle.min(0) + middle.max(0)) / 2
    return np.tile(_inside(centre[None], np.array([side]), width, height), (len(landmarks), 1))


def aligned(
    landmarks: np.ndarray, sides: np.ndarray, frames: np.ndarray, rate: float, width: int, height: int
) -> np.ndarray:
    """One box per frame (T, 3) that follows the head smoothly, without lag (EG3D); else as `fixed`.

    sides (T,) wanted; frames (T,) the frames' numbers; rate frames a second.
    """
    smoothed = smooth(np.column_stack([landmarks.mean(1), sides]), frames, rate, HEAD)
    return _inside(smoothed[:, :2], smoothed[:, 2], width, height)


def sides(cameras: np.ndarray, scale: float) -> np.ndarray:
    """Sides (T,) in pixels of crops that show each head from `camera.RADIUS` with focal length `camera.FOCAL`.

    cameras (T, 25) of pictures whose unit is ``scale`` pixels: a head at distance d seen with focal length f is as
    large as one at the radius seen with f * radius / d.
    """
    distance = np.linalg.norm(cameras[:, [3, 7, 11]] - np.array(camera.PIVOT), axis=1)
    return cameras[:, 16] * scale * camera.RADIUS / distance / camera.FOCAL


def cut(pixels: np.ndarray, box: np.ndarray, size: int) -> np.ndarray:
    """The square ``box`` (3,) of pixels (H, W, 3) and a quarter of its side more all around, antialiased.

    The box itself is the centre (size, size, 3) of the result (3 size / 2, 3 size / 2, 3). Beyond the picture its edge
    goes on.
    """
    left, top, side = (int(value) for value in box)
    left, top, side = left - side // 4, top - side // 4, side + side // 2
    height, width = pixels.shape[:2]
    region = pixels[max(top, 0) : top + side, max(left, 0) : left + side]
    outside = (max(-top, 0), max(top + side - height, 0), max(-left, 0), max(left + side - width, 0))
    region = cv2.copyMakeBorder(region, *outside, cv2.BORDER_REPLICATE)
    wide = size + size // 2
    return cv2.resize(region, (wide, wide), interpolation=cv2.INTER_AREA if side >= wide else cv2.INTER_CUBIC)


def _inside(centre: np.ndarray, sides: np.ndarray, width: int, height: int) -> np.ndarray:
    """Boxes (T, 3) of centre (T, 2) and sides (T,), moved and shrunk into the picture, in whole pixels.

    Sides are multiples of four, so that margins have whole pixels too.
    """
    sides = 4 * np.floor(np.minimum(sides, min(width, height)) / 4)
    room = np.array([width, height]) - sides[:, None]  # (T, 2)
    return np.column_stack([np.round((centre - sides[:, None] / 2).clip(0, room)), sides])
