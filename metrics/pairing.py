"""Which predicted frame belongs to which true one: by the numbers in their names, never by their place in a list."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from thedit.errors import UserError
from thedit.media import pictures, stream
from thedit.media.files import UnreadableError
from thedit.media.names import frame_numbers, natural


@dataclass(frozen=True)
class Frame:
    """A frame of both sides: its number, or its name where names have no number, and the files that hold it.

    ``ours`` and ``theirs`` are the numbers that the two sides give it; -1 where the files are named alike instead.
    """

    key: str
    prediction: Path
    target: Path
    ours: int
    theirs: int


def pair(predictions: Sequence[Path], targets: Sequence[Path]) -> list[Frame]:
    """The frames of a clip in order, from the files of both sides: the pictures, or one video or animation.

    A video counts its frames from 0. Where one side counts from 0 and the other from 1, and both have as many, they
    go together. `UserError` names a frame that one side lacks, two files of one number, and a file that is cut short.
    """
    ours, theirs = _numbered(predictions), _numbered(targets)
    if ours is None or theirs is None:
        named, others = _named(predictions), _named(targets)
        _same(named, others, predictions, targets, "frame '{}'")
        return [Frame(name, named[name], others[name], -1, -1) for name in sorted(named, key=natural)]
    shift = _shift(sorted(ours), sorted(theirs))
    moved = {number + shift: path for number, path in ours.items()}
    _same(moved, theirs, predictions, targets, "frame {}")
    return [Frame(str(number), moved[number], theirs[number], number - shift, number) for number in sorted(theirs)]


def _numbered(files: Sequence[Path]) -> dict[int, Path] | None:
    """Files by frame number; None where the names have no number."""
    if len(files) == 1:
        try:
            line = stream.timeline(files)
        except UnreadableError as error:
            raise UserError(f"{files[0]}: {error}; write it again.") from error
        if line.short:
            raise UserError(f"{files[0]}: {line.short}; write it again.")
        if len(line.ticks) > 1 or not pictures.is_picture(files[0]):
            return dict.fromkeys(range(len(line.ticks)), files[0])
    numbers = frame_numbers([path.stem for path in files])
    return None if numbers is None else _once(numbers, files, "frame {}")


def _named(files: Sequence[Path]) -> dict[str, Path]:
    return _once([path.stem for path in files], files, "called '{}'")


def _once(keys: Sequence, files: Sequence[Path], what: str) -> dict:
    found: dict = {}
    for key, path in zip(keys, files):
        if key in found:
            raise UserError(f"{path}: is {what.format(key)} like {found[key].name}; remove one of them.")
        found[key] = path
    return found


def _shift(ours: list[int], theirs: list[int]) -> int:
    """What to add to our numbers: 0, or 1 or -1 where one side counts from 0 and the other from 1."""
    shift = theirs[0] - ours[0]
    return shift if {ours[0], theirs[0]} == {0, 1} and [number + shift for number in ours] == theirs else 0


def _same(ours: dict, theirs: dict, predictions: Sequence[Path], targets: Sequence[Path], what: str) -> None:
    """Both sides must have the same keys."""
    for has, lacks, files in ((theirs, ours, predictions), (ours, theirs, targets)):
        if missing := sorted(has.keys() - lacks.keys(), key=natural):
            place = files[0] if len(files) == 1 else files[0].parent
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise UserError(
                f"{place}: lacks {what.format(missing[0])}{more}, which {has[missing[0]]} has; "
                "frames are paired by the number in their name."
            )
