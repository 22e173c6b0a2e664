"""Finding files by a path pattern with named fields, without following loops of links."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from thedit.errors import UserError
from thedit.media.names import natural

Found = tuple[Path, dict[str, str]]
Unreadable = tuple[Path, str]


def find(root: Path, pattern: str) -> tuple[list[Found], list[Unreadable]]:
    """Files below ``root`` whose relative path matches ``pattern``, in natural order, with their fields; folders not
    readable.

    ``{field}`` and ``*`` match within one name, ``**`` as a whole name matches any number of folders (links to folders
    are not followed there). A field that stands twice must have the same value. Hidden files never match.
    """
    found: list[Found] = []
    unreadable: list[Unreadable] = []
    for path, fields in _walk(root, pattern.split("/"), {}, unreadable):
        found.append((path, fields))
    return sorted(found, key=lambda item: natural(item[0])), sorted(unreadable)


def readable(name: str) -> str:
    """``name`` as valid text: bytes of a file name that are no UTF-8 become backslash escapes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _walk(folder: Path, parts: list[str], fields: dict[str, str], unreadable: list[Unreadable]) -> Iterator[Found]:
    try:
        entries = sorted((entry for entry in os.scandir(folder) if entry.name[0] != "."), key=lambda entry: entry.name)
    except OSError as error:
        unreadable.append((folder, f"the folder cannot be read ({error.strerror})"))
        return
    head, rest = parts[0], parts[1:]
    if head == "**":
        yield from _walk(folder, rest, fields, unreadable)
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry), parts, fields, unreadable)
        return
    expression = _expression(head)
    for entry in entries:
        match = expression.fullmatch(entry.name)
        if match is None or any(fields.get(key, value) != value for key, value in match.groupdict().items()):
            continue
        merged = {**fields, **{key: readable(value) for key, value in match.groupdict().items()}}
        if not rest:
            if not _is_folder(entry):
                yield Path(entry), merged
        elif _is_folder(entry):
            yield from _walk(Path(entry), rest, merged, unreadable)


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of links
        return False


def _expression(part: str) -> re.Pattern[str]:
    """The regular expression of one name of the pattern."""
    pieces = re.split(r"(\{\w+\}|\*)", part)
    text = "".join(
        f"(?P<{piece[1:-1]}>.+)" if piece.startswith("{") else ".*" if piece == "*" else re.escape(piece)
        for piece in pieces
    )
    try:
        return re.compile(text, re.DOTALL)
    except re.error as error:
        raise UserError(f"pattern '{part}': {error}; use each field once a name.") from error
