"""Smoothing over time that does not lag: a filter that is symmetric about each frame."""

import numpy as np
from scipy.signal import savgol_filter

FACE = 0.12  # seconds to either side: lips and lids move quickly
HEAD = 0.2  # seconds to either side: heads do not
DEGREE = 2


def frame_rate(times: dict[int, float]) -> float:
    """Frames a second, on average, of frames whose ``times`` in seconds are given by number; 0 for a single one."""
    first, last = min(times), max(times)
    return (last - first) / (times[last] - times[first]) if last > first else 0.0


def smooth(values: np.ndarray, frames: np.ndarray, rate: float, reach: float) -> np.ndarray:
    """Fit a parabola to the frames within ``reach`` seconds of each frame and take its middle (Savitzky & Golay, 1964).

    values (T, ...), frames (T,) ascending frame numbers of a video of ``rate`` frames a second; nothing is smoothed
    across missing frames. Runs shorter than the window stay as they are, and so does a video too slow for it.
    """
    window = 2 * round(reach * rate) + 1
    if window <= DEGREE + 1:
        return np.array(values, dtype=float)
    result = np.array(values, dtype=float)
    starts = np.flatnonzero(np.diff(frames, prepend=frames[0] - 2) != 1)
    for start, stop in zip(starts, [*starts[1:], len(frames)]):
        if stop - start >= window:
            result[start:stop] = savgol_filter(result[start:stop], window, DEGREE, axis=0, mode="interp")
    return result


def smooth_poses(cam2world: np.ndarray, frames: np.ndarray, rate: float, pivot: np.ndarray) -> np.ndarray:
    """Smooth camera poses (T, 4, 4): the rotation, and where the camera sees the ``pivot`` (3,) of the head."""
    rotation = cam2world[:, :3, :3].astype(float)
    seen = np.einsum("tij,ti->tj", rotation, pivot - cam2world[:, :3, 3])  # (T, 3) in the camera's axes
    u, _, vt = np.linalg.svd(smooth(rotation, frames, rate, HEAD))
    rotation, seen = u @ vt, smooth(seen, frames, rate, HEAD)  # the nearest rotations
    result = np.array(cam2world)
    result[:, :3, :3] = rotation
    result[:, :3, 3] = pivot - np.einsum("tij,tj->ti", rotation, seen)
    return result
