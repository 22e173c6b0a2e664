"""Arrays that can be made again, kept in files: what is damaged or foreign counts as not kept."""

import zipfile
import zlib
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from thedit.files import atomic

T = TypeVar("T")


def load(path: Path | None, kind: type[T]) -> T | None:
    """The dataclass of arrays that `save` kept at ``path``; None without a path or file, or if the file is damaged."""
    if path is None or not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return kind(**{name: arrays[name] for name in arrays.files})  # the archive's checksums are verified
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError):
        return None


def save(path: Path | None, value: Any) -> None:
    """Keep a dataclass of arrays, compressed, at ``path`` if there is one; `thedit.errors.UserError` on a full disk."""
    if path is not None:
        arrays = {field.name: getattr(value, field.name) for field in fields(value)}
        with atomic(path) as sibling:
            np.savez_compressed(sibling, allow_pickle=False, **arrays)
