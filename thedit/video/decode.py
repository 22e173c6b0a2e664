"""The frames of a data set's input: `thedit.media.stream` between the input's start and end."""

import math
from collections.abc import Iterator

import numpy as np

from thedit.media import stream
from thedit.media.files import MOST_PIXELS
from thedit.media.videos import Picture, Timeline
from thedit.video.spec import Source


def timeline(source: Source, most: int = MOST_PIXELS) -> Timeline:
    """As `thedit.media.stream.timeline`."""
    return stream.timeline(source.paths, most)


def numbers(source: Source, line: Timeline) -> range:
    """Numbers of the frames of ``source`` that lie between its start and end."""
    if source.start == 0 and math.isinf(source.end):
        return range(len(line.ticks))
    seconds = (line.ticks - line.ticks[0]) * line.tick
    return range(int(np.searchsorted(seconds, source.start - 1e-6)), int(np.searchsorted(seconds, source.end - 1e-6)))


def read(
    source: Source,
    wanted: range,
    longest: int | None = None,
    faults: dict[int, str] | None = None,
    most: int = MOST_PIXELS,
) -> Iterator[Picture]:
    """As `thedit.media.stream.read`."""
    return stream.read(source.paths, wanted, longest, faults, most)
