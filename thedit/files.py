"""Writing files so that nothing computed is lost and nothing half-written is ever read."""

import contextlib
import errno
import hashlib
import os
import re
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from thedit.errors import UserError

_UMASK = os.umask(0)  # can only be read by setting it, which threads would see
os.umask(_UMASK)
_TEMPORARY = re.compile(r"\..*\.\d+\.tmp(\.\w+)?", re.DOTALL)


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary sibling of ``path``; on success fsync it and rename it to ``path``.

    The sibling keeps the suffix of ``path``, so that writers which look at suffixes work. On an exception the sibling
    is removed and ``path`` stays as it was. A full disk, a missing permission or a name that is too long becomes a
    `UserError`.
    """
    path = Path(path)
    # Not the process's number: in containers many processes of one file system have the same.
    sibling = path.with_name(f".{path.stem}.{secrets.randbelow(10**7)}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield sibling
        sibling.chmod(0o666 & ~_UMASK)  # some writers make files that only their owner can read
        _fsync(sibling)
        os.replace(sibling, path)
        _fsync(path.parent)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        too_long = getattr(error, "errno", None) == errno.ENAMETOOLONG
        remedy = "choose a shorter name" if too_long else "free space or choose another folder"
        raise UserError(f"{path}: cannot be written ({reason}); {remedy}.") from error
    finally:
        with contextlib.suppress(OSError):  # what went wrong before is what the user has to know
            sibling.unlink(missing_ok=True)


def tidy(*folders: Path) -> None:
    """Remove temporaries of `atomic` that killed processes left below ``folders``, which nobody else may write to."""
    for folder in folders:
        for path in folder.rglob(".*.tmp*"):
            if _TEMPORARY.fullmatch(path.name):
                with contextlib.suppress(OSError):
                    path.unlink()


def sha256(path: str | Path) -> str:
    """Hex SHA-256 of a file's bytes; `UserError` if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions.") from error


def check_writable(folder: str | Path) -> None:
    """Make ``folder`` if it is missing; `UserError` unless files can be written there."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror}); choose another folder.") from error


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
