"""Finding files by a path pattern with named fields, without following loops of links."""

import functools
import os
import re
from collections.abc import Iterator

from thedit.errors import UserError
from thedit.media.names import natural

# Paths are text here: of a million files, as many objects would take longer than the disk.
Found = tuple[str, dict[str, str]]
Unreadable = tuple[str, str]


def find(root: str, pattern: str) -> tuple[list[Found], list[Unreadable]]:
    """Files below ``root`` whose relative path matches ``pattern``, in natural order, with their fields; folders not
    readable.

    ``{field}`` and ``*`` match within one name, ``**`` as a whole name matches any number of folders (links to folders
    are not followed there). A field that stands twice must have the same value. Hidden files never match.
    """
    unreadable: list[Unreadable] = []
    found = _walk(root, pattern.split("/"), {}, unreadable)
    return sorted(found, key=lambda item: natural(item[0])), sorted(unreadable)


def readable(name: str) -> str:
    """``name`` as valid text: bytes of a file name that are no UTF-8 become backslash escapes."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "backslashreplace")


def _walk(folder: str, parts: list[str], fields: dict[str, str], unreadable: list[Unreadable]) -> Iterator[Found]:
    try:
        # Nearly in the order of the result, which is then quickly sorted.
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        unreadable.append((folder, f"the folder cannot be read ({error.strerror})"))
        return
    head, rest = parts[0], parts[1:]
    if head == "**":
        yield from _walk(folder, rest, fields, unreadable)
        for entry in entries:
            if entry.name[0] != "." and entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, parts, fields, unreadable)
        return
    expression = _expression(head)
    for entry in entries:
        match = expression.fullmatch(entry.name)
        if match is None or entry.name[0] == ".":
            continue
        named = match.groupdict()
        if any(fields.get(key, value) != value for key, value in named.items()):
            continue
        merged = {**fields, **{key: readable(value) for key, value in named.items()}}
        if not rest:
            if not _is_folder(entry):
                yield entry.path, merged
        elif _is_folder(entry):
            yield from _walk(entry.path, rest, merged, unreadable)


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of links
        return False


@functools.cache
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
