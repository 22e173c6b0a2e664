"""Writing files so that nothing computed is lost and nothing half-written is ever read."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from thedit.errors import UserError


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary sibling of ``path``; on success fsync it and rename it to ``path``.

    The sibling keeps the suffix of ``path``, so that writers which look at suffixes work. On an exception the sibling
    is removed and ``path`` stays as it was. A full disk or a missing permission becomes a `UserError`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    sibling = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield sibling
        _fsync(sibling)
        os.replace(sibling, path)
        _fsync(path.parent)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror or error}); free space or choose another folder."
        ) from error
    finally:
        if sibling.is_dir():
            shutil.rmtree(sibling)
        else:
            sibling.unlink(missing_ok=True)


def sha256(path: str | Path) -> str:
    """Hex SHA-256 of a file's bytes; `UserError` if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions.") from error


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
