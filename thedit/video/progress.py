"""What is done of a segment, kept on disk, so that a run that was killed goes on from there."""

import pickle
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thedit.files import atomic


@dataclass(frozen=True)
class Progress:
    """Values by name, each in a file ``stem``.``name``; without a ``stem`` nothing is kept.

    every: pictures after which a pass over a segment is kept; where it is kept does not change what comes out.
    """

    stem: Path | None = None
    every: int = sys.maxsize

    def load(self, name: str) -> Any:
        """The value, or None if it was not kept."""
        if not self.has(name):
            return None
        with open(self._path(name), "rb") as file:
            return pickle.load(file)

    def save(self, name: str, value: object) -> None:
        """Keep a value in place of the one before. Raises `thedit.errors.UserError` when the disk is full."""
        if self.stem is not None:
            with atomic(self._path(name)) as sibling, open(sibling, "wb") as file:
                pickle.dump(value, file)

    def has(self, name: str) -> bool:
        """Whether a value was kept."""
        return self.stem is not None and self._path(name).exists()

    def _path(self, name: str) -> Path:
        return Path(f"{self.stem}.{name}")
