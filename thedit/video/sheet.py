"""The sample sheet: a CSV file with one row per video, as a user writes it by hand or from a table program."""

import codecs
import csv
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thedit.errors import UserError

COLUMNS = ("video", "person", "split", "start", "end", "frames")


@dataclass(frozen=True)
class Row:
    """A video, relative to the sheet's folder, and what is known of it.

    ``start`` and ``end`` in seconds; ``frames`` is how many the whole video must have, 0 where the sheet does not say.
    """

    video: str
    person: str = ""
    split: str = ""
    start: float = 0.0
    end: float = math.inf
    frames: int = 0


def read(path: Path) -> list[Row]:
    """Read and check a sheet as table programs save it.

    Separated by commas, semicolons or tabs, in UTF-8 or UTF-16; rows and columns without any value do not count, nor
    does the case of a column's name. `UserError` names the line: unknown column, no video, bad times, or a duplicate.
    """
    try:
        text = _text(path.read_bytes())
        lines = text.splitlines(keepends=True)
        named = re.fullmatch(r"sep=(.)\s*", lines[0], re.IGNORECASE) if lines else None  # Excel's own first line
        separator = named[1] if named else max(",;\t", key=lambda mark: lines[0].count(mark) if lines else 0)
        table = list(_table(csv.reader(lines[named is not None :], delimiter=separator), named is not None))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check 'sheet' in the spec.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: is no CSV file in UTF-8 ({error}); save it as 'CSV UTF-8'.") from error
    columns = [name.strip().lower() for name in table[0][1]] if table else []
    _check_columns(path, columns)
    rows: dict[Row, int] = {}
    for line, values in table[1:]:
        row = _row(path, line, columns, values, decimal="," if separator == ";" else ".")
        if row in rows:
            raise UserError(f"{path}: line {line} repeats line {rows[row]}; remove one of them.")
        rows[row] = line
    return list(rows)


def _text(data: bytes) -> str:
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if wide else "utf-8-sig")


def _table(reader: Any, named: bool) -> Iterator[tuple[int, list[str]]]:
    """Line number and values of every row that has any; columns without a name and without a value are left out."""
    rows = [(reader.line_num + named, row) for row in reader if any(value.strip() for value in row)]
    width = max((len(row) for _, row in rows), default=0)
    used = [column for column in range(width) if any(row[column : column + 1] not in ([], [""]) for _, row in rows)]
    for line, row in rows:
        yield line, [row[column] if column < len(row) else "" for column in used]


def _check_columns(path: Path, names: Sequence[str]) -> None:
    unknown = [name for name in names if name and name not in COLUMNS]
    if unknown:
        raise UserError(f"{path}: unknown column '{unknown[0]}'; known columns are {', '.join(COLUMNS)}.")
    repeated = [name for name in COLUMNS if names.count(name) > 1]
    if repeated:
        raise UserError(f"{path}: has the column '{repeated[0]}' twice; remove one of them.")
    if "video" not in names:
        raise UserError(f"{path}: has no column 'video'; its first line must name the columns.")


def _row(path: Path, line: int, columns: Sequence[str], values: list[str], decimal: str) -> Row:
    if any(not name and value.strip() for name, value in zip(columns, values)):
        raise UserError(f"{path}: line {line} has more values than columns.")
    text = {name: value if name == "video" else value.strip() for name, value in zip(columns, values)}
    if not text["video"]:
        raise UserError(f"{path}: line {line} has no video.")
    times = {"start": 0.0, "end": math.inf}
    for key in times:
        if text.get(key):
            try:
                times[key] = float(text[key].replace(decimal, "."))
            except ValueError:
                raise UserError(f"{path}: line {line}: {key} is '{text[key]}'; write seconds, e.g. 12.5.") from None
    if not 0 <= times["start"] < times["end"]:
        raise UserError(
            f"{path}: line {line}: end {times['end']:g} is not after start {times['start']:g}; correct one of them."
        )
    frames = text.get("frames", "") or "0"
    if not frames.isdecimal():
        raise UserError(f"{path}: line {line}: frames is '{frames}'; write how many frames the video has, or nothing.")
    return Row(text["video"], text.get("person", ""), _split(text.get("split", "")), **times, frames=int(frames))


def _split(name: str) -> str:
    """A table program may have made ``test`` into ``Test``."""
    return name.lower() if name.lower() in ("train", "test") else name
