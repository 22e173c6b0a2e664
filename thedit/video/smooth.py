"""Smoothing over time that does not lag: a filter that is symmetric about each frame."""

import numpy as np
from scipy.signal import savgol_filter

WINDOW = 7  # frames
DEGREE = 2


def smooth(values: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Fit a parabola to the 7 frames around each frame and take its middle (Savitzky & Golay, 1964).

    values (T, ...), frames (T,) ascending frame numbers; nothing is smoothed across missing frames. Runs shorter than
    the window stay as they are.
    """
    result = np.array(values, dtype=float)
    starts = np.flatnonzero(np.diff(frames, prepend=frames[0] - 2) != 1)
    for start, stop in zip(starts, [*starts[1:], len(frames)]):
        if stop - start >= WINDOW:
            result[start:stop] = savgol_filter(result[start:stop], WINDOW, DEGREE, axis=0, mode="interp")
    return result
