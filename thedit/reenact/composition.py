"""Composition: what stands in the picture: the square alone, source | driver | result, or the whole photograph."""

from collections.abc import Callable

import cv2
import numpy as np

from thedit.video.boxes import spread

Composition = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""The driver's crop (S, S, 3) and the result (S, S, 3) -> the picture (H, W, 3) to be shown, uint8."""

RIM = 0.14  # width of the transition between a head and the photograph around it, in sides of the crop
HEAD = (2.1, 2.5)  # half axes of the ellipse that holds a head with its hair, in spreads of its landmarks
ABOVE = 0.5  # of its centre above the landmarks', in spreads
COARSE = 64  # side of the picture in which differences of colour are smoothed


def square(driver: np.ndarray, result: np.ndarray) -> np.ndarray:
    """The result alone."""
    return result


def even(picture: np.ndarray) -> np.ndarray:
    """A picture (H, W, 3) without its last row or column where H.264, which wants even sides, has no place for it."""
    return picture[: len(picture) // 2 * 2, : picture.shape[1] // 2 * 2]


def side_by_side(source: np.ndarray) -> Composition:
    """Source | driver | result."""
    return lambda driver, result: np.concatenate([_fitted(source, result), _fitted(driver, result), result], axis=1)


class Whole:
    """The result where the source's crop was cut from, in the whole picture (H, W, 3), at its resolution.

    Around the head, whose ``landmarks`` (68, 2) are in the crop's normalised coordinates, the result fades into the
    picture over `RIM` of its side. What differs there in colour is smoothed and taken from the result, most at the
    rim, so that no seam shows. Where the crop ends with the picture nothing fades.
    """

    def __init__(self, picture: np.ndarray, box: np.ndarray, landmarks: np.ndarray):
        self.picture = even(picture)
        left, top, side = (int(value) for value in box)
        self._place = slice(top, top + side), slice(left, left + side)
        self._around = picture[self._place].astype(np.float32)
        inside = _within_edges(side, self._around.shape[:2], box, picture.shape[:2])
        inside *= _within_head(landmarks, side, self._around.shape[:2])
        self._share = _smooth_step(inside)[..., None]  # of the result, (side, side, 1)
        rim = cv2.resize(np.exp(-(((inside - 0.5) / 0.35) ** 2)), (COARSE, COARSE), interpolation=cv2.INTER_AREA)
        self._rim = rim / rim.max()

    def __call__(self, driver: np.ndarray, result: np.ndarray) -> np.ndarray:
        """The picture with the result in it."""
        height, width = self._around.shape[:2]
        shrinks = result.shape[0] > height
        large = cv2.resize(result, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
        large = large.astype(np.float32)
        large += self._difference(large)
        mixed = self._around + self._share * (large - self._around)
        whole = self.picture.copy()
        target = whole[self._place]
        target[:] = np.clip(np.round(mixed), 0, 255)[: target.shape[0], : target.shape[1]].astype(np.uint8)
        return whole

    def _difference(self, large: np.ndarray) -> np.ndarray:
        """What is to be added to the result (H, W, 3) so that its colours at the rim are the picture's."""
        small = cv2.resize(self._around - large, (COARSE, COARSE), interpolation=cv2.INTER_AREA)
        weight, total = self._rim[..., None], np.zeros((COARSE, COARSE, 3), np.float32)
        share = np.full((COARSE, COARSE, 1), 1e-3, np.float32)
        for reach in (1.5, 3.0, 6.0, 12.0):  # what is near counts most
            total += _blur(weight * small, reach) / reach
            share += _blur(np.ascontiguousarray(weight), reach)[..., None] / reach
        fading = cv2.GaussianBlur(self._rim, (0, 0), 3.0)[..., None]
        spread = total / share * np.clip(fading / fading.max() * 1.5, 0, 1)
        return cv2.resize(spread, (large.shape[1], large.shape[0]), interpolation=cv2.INTER_CUBIC)


def _within_edges(side: int, shape: tuple[int, ...], box: np.ndarray, picture: tuple[int, ...]) -> np.ndarray:
    """How far each pixel of the crop lies within its edges: 0 at an edge, 1 beyond the rim.

    An edge that is the picture's own is no edge.
    """
    shares = []
    for length, start, end in ((shape[0], box[1], picture[0]), (shape[1], box[0], picture[1])):
        place = np.arange(length) + 0.5
        from_start = place if start > 0 else np.full(length, np.inf)
        from_end = side - place if start + side < end else np.full(length, np.inf)
        shares.append(np.clip(np.minimum(from_start, from_end) / (RIM * side), 0, 1).astype(np.float32))
    return shares[0][:, None] * shares[1]


def _within_head(landmarks: np.ndarray, side: int, shape: tuple[int, ...]) -> np.ndarray:
    """How far each pixel lies within the ellipse around a head: 0 outside, 1 beyond the rim."""
    size = spread(landmarks) * side
    across, down = landmarks.mean(0) * side - (0, ABOVE * size)
    x = (np.arange(shape[1]) + 0.5 - across) / (HEAD[0] * size)
    y = (np.arange(shape[0]) + 0.5 - down) / (HEAD[1] * size)
    radius = np.hypot(x, np.where(y < 0, y, 0.8 * y)[:, None])  # the neck belongs to it
    return np.clip((1 - radius) * HEAD[0] * size / (RIM * side), 0, 1).astype(np.float32)


def _smooth_step(x: np.ndarray) -> np.ndarray:
    return x * x * (3 - 2 * x)


def _blur(x: np.ndarray, reach: float) -> np.ndarray:
    return cv2.GaussianBlur(x, (0, 0), reach, borderType=cv2.BORDER_REPLICATE)


def _fitted(picture: np.ndarray, like: np.ndarray) -> np.ndarray:
    """A square picture at the size of another."""
    if picture.shape == like.shape:
        return picture
    return cv2.resize(picture, like.shape[1::-1], interpolation=cv2.INTER_CUBIC)
