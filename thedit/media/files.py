"""Files before they are decoded: what may hold pictures, and whether it can be read at all."""

import stat
from pathlib import Path

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".heic", ".heif"})
VIDEOS = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".wmv", ".flv", ".3gp"})
MOST_PIXELS = 100_000_000  # of one picture or frame where nobody says otherwise, as in reenactment and in metrics


class UnreadableError(Exception):
    """An input that cannot be decoded; the message is the reason, as it stands in the QA table."""


def check(path: Path) -> tuple[int, int]:
    """Size and modification time of a file that can be read; `UnreadableError` says why another cannot."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for its other end
            raise UnreadableError("is no regular file")
        with open(path, "rb"):
            pass
    except OSError as error:
        raise UnreadableError(_why(error)) from error
    if status.st_size == 0:
        raise UnreadableError("the file is empty (0 bytes)")
    return status.st_size, status.st_mtime_ns


def check_size(width: int, height: int, most: int) -> None:
    """`UnreadableError` for a picture of more than ``most`` pixels, by what its header says."""
    if width * height > most:
        raise UnreadableError(f"has {width} x {height} pixels, more than {most:,}; make it smaller")


def hidden(path: Path) -> bool:
    """Whether a file or one of the folders above it, as ``path`` names them, is hidden, as macOS's ``._NAME`` is."""
    return any(part.startswith(".") and part not in (".", "..") for part in path.parts)


def _why(error: OSError) -> str:
    known = {FileNotFoundError: "there is no such file", PermissionError: "no permission to read the file"}
    return known.get(type(error), (error.strerror or str(error)).lower())
