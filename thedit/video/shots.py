"""Shot changes, found on thumbnails as the stream goes by."""

from collections import deque

import cv2
import numpy as np

THUMBNAIL = (32, 18)
CHANGE = 0.10  # mean absolute change of brightness, of 1, that a cut exceeds
AGAINST_RECENT = 4.0  # and how much it exceeds the recent pictures' median change


class Shots:
    """Call it with each picture's pixels in order; it says whether a new shot begins there."""

    def __init__(self) -> None:
        self._last: np.ndarray | None = None
        self._changes: deque[float] = deque(maxlen=12)

    @property
    def state(self) -> tuple[np.ndarray | None, list[float]]:
        """All that it remembers: another one that is given this goes on in the same way."""
        return self._last, list(self._changes)

    @state.setter
    def state(self, state: tuple[np.ndarray | None, list[float]]) -> None:
        self._last = state[0]
        self._changes.clear()
        self._changes.extend(state[1])

    def __call__(self, pixels: np.ndarray) -> bool:
        """True for the first picture of a new shot; never for the first picture of all."""
        small = cv2.resize(pixels, THUMBNAIL, interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
        last, self._last = self._last, grey
        if last is None:
            return False
        change = float(np.abs(grey - last).mean())
        usual = float(np.median(self._changes)) if self._changes else 0.0
        if change > CHANGE and change > AGAINST_RECENT * usual:
            self._changes.clear()
            return True
        self._changes.append(change)
        return False
