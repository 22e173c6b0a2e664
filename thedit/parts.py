"""Stages that several jobs share: each does a part of the units of work, and the stage itself comes last.

A stage (rendering, preprocessing, prediction, scoring) is a list of units, each of which leaves on disk what it made
and is not done twice. A part does every n-th unit and nothing else; the stage, called afterwards without a part, finds
all units done and writes what it always writes. So nothing that it writes depends on how many parts there were, and
what a part left undone the stage does.
"""

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from thedit import locks
from thedit.config import Section, digest
from thedit.errors import UserError

T = TypeVar("T")


@dataclass(frozen=True)
class Part:
    """Part ``number``, from 1, of ``count``."""

    number: int = 1
    count: int = 1

    @property
    def whole(self) -> bool:
        """Whether this is the stage itself."""
        return self.count == 1

    def of(self, units: Sequence[T]) -> list[T]:
        """The units that this part does."""
        return list(units[self.number - 1 :: self.count])

    def __str__(self) -> str:
        return f"{self.number}-of-{self.count}"


WHOLE = Part()


def parse(text: str) -> Part:
    """The part that ``text`` names, as in ``3-of-8``; `UserError` if it names none."""
    match = re.fullmatch(r"(\d{1,9})-of-(\d{1,9})", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise UserError(f"--part: '{text}' is no part; write it as in 3-of-8, a number from 1 and how many there are.")
    return Part(int(match[1]), int(match[2]))


def held(folder: Path, part: Part, settings: Section) -> AbstractContextManager[None]:
    """Hold ``folder`` for a stage: alone, or beside the other parts of the same ``settings``.

    Raises `UserError` as `thedit.locks.held`.
    """
    if part.whole:
        return locks.held(folder)
    return locks.held(folder, shared=True, key=f"{part.count} parts of {digest(settings)}")
