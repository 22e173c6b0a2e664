"""The frames of a data set's input: `thedit.media.stream` between the input's start and end."""

import math
from collections.abc import Iterator

import numpy as np

from thedit.media import stream
from thedit.media.videos import Picture, Timeline
from thedit.video.spec import Source


def timeline(source: Source) -> Timeline:
    """Read when each frame of ``source`` is shown. Raises `thedit.media.files.UnreadableError`."""
    return stream.timeline(source.paths)


def numbers(source: Source, line: Timeline) -> range:
    """Numbers of the frames of ``source`` that lie between its start and end."""
    if source.start == 0 and math.isinf(source.end):
        return range(len(line.ticks))
    seconds = (line.ticks - line.ticks[0]) * line.tick
    return range(int(np.searchsorted(seconds, source.start - 1e-6)), int(np.searchsorted(seconds, source.end - 1e-6)))


def read(
    source: Source, wanted: range, longest: int | None = None, faults: dict[int, str] | None = None
) -> Iterator[Picture]:
    """As `thedit.media.stream.read`."""
    return stream.read(source.paths, wanted, longest, faults)
