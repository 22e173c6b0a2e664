"""Driver: the video, or picture, of the face whose motion it is."""

from collections.abc import Iterator
from pathlib import Path

from thedit.config import Preprocess
from thedit.media import stream
from thedit.reenact.faces import LONGEST, Face, follow
from thedit.reenact.source import readable


class Driver:
    """A driving file that can be read; ``start`` is when its picture begins on the file's clock, in seconds.

    Raises `thedit.errors.UserError` for another file.
    """

    def __init__(self, path: Path):
        self.path = path
        with readable(path):
            self._line = stream.timeline([path])
        self.start = float(self._line.ticks[0]) * self._line.tick if self._line.seekable else 0.0

    def __len__(self) -> int:
        return len(self._line.ticks)

    @property
    def rate(self) -> float:
        """Frames a second, on average where they vary; 25 for a single one."""
        return (len(self) - 1) / self._line.seconds(-1) if len(self) > 1 else 25.0

    def faces(self, settings: Preprocess) -> Iterator[Face]:
        """A face for every frame that decodes, in order."""
        with readable(self.path):
            yield from follow(stream.read([self.path], range(len(self)), LONGEST), settings)
