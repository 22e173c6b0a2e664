"""Flicker: does a driven clip change where the true clip does not?

The true clip tells by optical flow where each of its pixels was one frame before; the result's last frame, moved in the
same way, should look like its present one (the warping error of Lai et al., ECCV 2018). A clip that stands still does
not get away: the flow is the truth's.
"""

from typing import NamedTuple

import cv2
import numpy as np

FORWARD_BACKWARD, SLACK = 0.01, 0.5  # of squared flows and in squared pixels (Sundaram et al., ECCV 2010)


class Motion(NamedTuple):
    """Where pixels of a picture (H, W) were one frame before: ``place`` (H, W, 2) as x, y in pixels, and where that is
    ``known`` (H, W), bool: inside the picture, and not hidden then.
    """

    place: np.ndarray
    known: np.ndarray


def motion(before: np.ndarray, now: np.ndarray) -> Motion:
    """How the pixels of ``now`` moved since ``before``, uint8 (H, W, 3) both, at least 16 pixels a side.

    Dense inverse search (Kroeger et al., ECCV 2016), forwards and backwards; known is where both agree.
    """
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    old, new = (cv2.cvtColor(one, cv2.COLOR_RGB2GRAY) for one in (before, now))
    height, width = new.shape
    nothing = np.zeros((height, width, 2), np.float32)
    back, forth = search.calc(new, old, nothing.copy()), search.calc(old, new, nothing.copy())
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    place = back + np.stack([columns, rows], axis=-1)
    there = _looked_up(forth, place)
    gap = np.square(back + there).sum(-1)
    agree = gap < FORWARD_BACKWARD * (np.square(back).sum(-1) + np.square(there).sum(-1)) + SLACK
    inside = ((place >= 0) & (place <= (width - 1, height - 1))).all(-1)
    return Motion(place, agree & inside)


def warping_error(before: np.ndarray, now: np.ndarray, moved: Motion) -> float:
    """Mean absolute difference, in levels of 0 to 255, of ``now`` and ``before`` moved as the true clip moved.

    uint8 (H, W, 3) both, of the truth's size; only where the motion is known; NaN if it is known nowhere.
    """
    if before.shape != now.shape or now.shape[:2] != moved.known.shape:
        raise ValueError(
            f"pictures and motion must have one size, not {before.shape}, {now.shape}, {moved.known.shape}"
        )
    if not moved.known.any():
        return float("nan")
    carried = _looked_up(before.astype(np.float32), moved.place)
    return float(np.abs(carried - now)[moved.known].mean(dtype=np.float64))


def _looked_up(values: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Values (H, W, C), float32, at places (H, W, 2) between the pixels; beyond the border its own are repeated."""
    across, down = (np.ascontiguousarray(place[..., axis]) for axis in (0, 1))
    return cv2.remap(values, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
