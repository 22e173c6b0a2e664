"""Positions that are evenly spread."""

import numpy as np


def evenly(length: int, count: int) -> np.ndarray:
    """At most ``count`` of the positions 0 to ``length`` - 1, evenly spread, the first and the last among them."""
    return np.linspace(0, length - 1, min(count, length)).round().astype(int)
