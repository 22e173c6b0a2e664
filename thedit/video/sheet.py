"""The sample sheet: a CSV file with a row a video, as a user writes it by hand or from a table program."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from thedit.errors import UserError

COLUMNS = ("video", "person", "split", "start", "end")


@dataclass(frozen=True)
class Row:
    """A video, relative to the sheet's folder, and what is known of it; ``start`` and ``end`` in seconds."""

    video: str
    person: str = ""
    split: str = ""
    start: float = 0.0
    end: float = math.inf


def read(path: Path) -> list[Row]:
    """Read and check a sheet. `UserError` names the line: unknown column, no video, bad times, or a duplicate."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            _check_columns(path, reader.fieldnames or [])
            rows: dict[Row, int] = {}
            for values in reader:
                row = _row(path, reader.line_num, values)
                if row in rows:
                    raise UserError(f"{path}: line {reader.line_num} repeats line {rows[row]}; remove one of them.")
                rows[row] = reader.line_num
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check 'sheet' in the spec.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: is no CSV file in UTF-8 ({error}); save it as one.") from error
    return list(rows)


def _check_columns(path: Path, names: Sequence[str]) -> None:
    unknown = [name for name in names if name not in COLUMNS]
    if unknown:
        raise UserError(f"{path}: unknown column '{unknown[0]}'; known columns are {', '.join(COLUMNS)}.")
    if "video" not in names:
        raise UserError(f"{path}: has no column 'video'; its first line must name the columns.")


def _row(path: Path, line: int, values: dict[str, str | None]) -> Row:
    text = {
        key: (values.get(key) or "").strip() if key != "video" else values[key] or ""
        for key in COLUMNS
        if key in values
    }
    if None in values or not text["video"]:
        raise UserError(f"{path}: line {line} has {'more values than columns' if None in values else 'no video'}.")
    times = {"start": 0.0, "end": math.inf}
    for key in times:
        if text.get(key):
            try:
                times[key] = float(text[key])
            except ValueError:
                raise UserError(f"{path}: line {line}: {key} is '{text[key]}'; write seconds, e.g. 12.5.") from None
    if not 0 <= times["start"] < times["end"]:
        raise UserError(
            f"{path}: line {line}: end {times['end']:g} is not after start {times['start']:g}; correct one of them."
        )
    return Row(text["video"], text.get("person", ""), text.get("split", ""), **times)
