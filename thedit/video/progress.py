"""What is planned, and what is done of a segment, kept on disk, so that a run that was killed goes on from there.

Files are data alone (MessagePack of known types): whoever may write to a data folder can spoil what was kept,
which is then done again, but cannot make the reader run anything.
"""

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from thedit.files import atomic

T = TypeVar("T")
DIGEST = 32  # bytes of the SHA-256 that a file begins with


@dataclass(frozen=True)
class Progress:
    """Values by name, each in a file ``stem``.``name``; without a ``stem`` nothing is kept.

    every: pictures after which a pass over a segment is kept; where it is kept does not change what comes out.
    """

    stem: Path | None = None
    every: int = sys.maxsize

    def load(self, name: str, kind: type[T]) -> T | None:
        """The value, of dataclasses, arrays and plain types as ``kind`` says; None if it was not kept or is damaged."""
        if self.stem is None or not self._path(name).is_file():
            return None
        content = self._path(name).read_bytes()
        if hashlib.sha256(content[DIGEST:]).digest() != content[:DIGEST]:
            return None
        try:
            return msgspec.msgpack.decode(content[DIGEST:], type=kind, dec_hook=_whole)
        except (msgspec.MsgspecError, ValueError, TypeError):
            return None

    def save(self, name: str, value: object) -> None:
        """Keep a value in place of the one before. Raises `thedit.errors.UserError` when the disk is full."""
        if self.stem is not None:
            content = msgspec.msgpack.encode(value, enc_hook=_parts)
            with atomic(self._path(name)) as sibling:
                sibling.write_bytes(hashlib.sha256(content).digest() + content)

    def _path(self, name: str) -> Path:
        return Path(f"{self.stem}.{name}")


def _parts(value: object) -> Any:
    """An array as type, shape and bytes; a path as the bytes of its name."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, Path):
        return os.fsencode(value)
    raise NotImplementedError(f"{type(value).__name__} is not kept")


def _whole(kind: type, parts: Any) -> Any:
    if kind is Path:
        return Path(os.fsdecode(parts))
    if kind is not np.ndarray:
        raise NotImplementedError(f"{kind} is not kept")
    dtype, shape, content = parts
    return np.frombuffer(content, dtype).reshape(shape).copy()
