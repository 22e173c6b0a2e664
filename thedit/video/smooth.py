"""Smoothing over time that does not lag: a filter that is symmetric about each frame."""

import numpy as np
from scipy.signal import savgol_filter

FACE = 7  # frames: lips and lids move quickly
HEAD = 11  # frames: heads do not
DEGREE = 2


def smooth(values: np.ndarray, frames: np.ndarray, window: int) -> np.ndarray:
    """Fit a parabola to the ``window`` frames around each frame and take its middle (Savitzky & Golay, 1964).

    values (T, ...), frames (T,) ascending frame numbers; nothing is smoothed across missing frames. Runs shorter than
    the window stay as they are.
    """
    result = np.array(values, dtype=float)
    starts = np.flatnonzero(np.diff(frames, prepend=frames[0] - 2) != 1)
    for start, stop in zip(starts, [*starts[1:], len(frames)]):
        if stop - start >= window:
            result[start:stop] = savgol_filter(result[start:stop], window, DEGREE, axis=0, mode="interp")
    return result


def smooth_poses(cam2world: np.ndarray, frames: np.ndarray, pivot: np.ndarray) -> np.ndarray:
    """Smooth camera poses (T, 4, 4): the rotation, and where the camera sees the ``pivot`` (3,) of the head."""
    rotation = cam2world[:, :3, :3].astype(float)
    seen = np.einsum("tij,ti->tj", rotation, pivot - cam2world[:, :3, 3])  # (T, 3) in the camera's axes
    u, _, vt = np.linalg.svd(smooth(rotation, frames, HEAD))
    rotation, seen = u @ vt, smooth(seen, frames, HEAD)  # the nearest rotations
    result = np.array(cam2world)
    result[:, :3, :3] = rotation
    result[:, :3, 3] = pivot - np.einsum("tij,tj->ti", rotation, seen)
    return result
