"""The order of files by their names as people read them, and the number that a name gives its frame."""

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from natsort import natsort_keygen, ns

_KEY = natsort_keygen(alg=ns.INT | ns.PATH)


def natural(name: str | Path) -> tuple[Any, str]:
    """Sort key: numbers inside names count as numbers, so that 2 comes before 10; 2 and 02 have a fixed order."""
    folder, separator, file = str(name).rpartition("/")
    return (*_part(folder + separator), *_part(file)), str(name)


@lru_cache(100_000)
def _part(name: str) -> tuple[Any, ...]:
    """The key of a folder or of a file in it: of a million files many share one."""
    return _KEY(name) if name else ()


def frame_numbers(names: Sequence[str]) -> list[int] | None:
    """The frame number of each of a clip's ``names``, which have no suffix; None where names do not number frames.

    Names number frames if they are alike but for one number (``take2_0007``: 7), which may have leading zeros. Of names
    that do not differ at all, such as a single one, it is the last number.
    """
    pieces = [re.split(r"(\d+)", name) for name in names]
    if len({tuple(one[::2]) for one in pieces}) != 1 or len(pieces[0]) < 2:
        return None
    columns = [[int(digits) for digits in column] for column in list(zip(*pieces))[1::2]]
    differing = [column for column in columns if len(set(column)) > 1]
    if len(differing) > 1:
        return None
    return differing[0] if differing else columns[-1]
