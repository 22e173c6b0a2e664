"""Results made elsewhere: folders of frames or videos, paired with their true frames by name."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from thedit.errors import UserError
from thedit.metrics import images

PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".webp"}
VIDEOS = {".mp4", ".mov", ".mkv", ".webm", ".avi"}


def clips(folder: Path) -> dict[str, list[Path]]:
    """Clip names and files: a video is a clip, and so are the pictures of one folder, sorted by name.

    The name is the path below ``folder`` without a suffix; pictures in ``folder`` itself are the clip ``.``. Raises
    `UserError` for a folder without either.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: is no folder; give a folder of frames or videos.")
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder)
        if path.suffix.lower() in VIDEOS:
            found[str(place.with_suffix(""))] = [path]
        elif path.suffix.lower() in PICTURES:
            found.setdefault(str(place.parent), []).append(path)
    if not found:
        raise UserError(f"{folder}: holds neither pictures nor videos; check the path.")
    return found


def paired(predictions: Path, targets: Path) -> Iterator[tuple[str, list[Path], list[Path]]]:
    """Clips of both folders by name; `UserError` names the first clip that only one of them has."""
    ours, theirs = clips(predictions), clips(targets)
    for name in sorted(ours.keys() ^ theirs.keys()):
        has, lacks = (predictions, targets) if name in ours else (targets, predictions)
        raise UserError(f"{lacks}: has no clip '{name}', which {has} has; clips are paired by name.")
    for name in sorted(ours):
        yield name, ours[name], theirs[name]


def frames(files: list[Path]) -> list[np.ndarray]:
    """All frames of a clip, uint8 RGB (H, W, 3); `UserError` if a file cannot be decoded."""
    if files[0].suffix.lower() not in VIDEOS:
        return [images.read(path) for path in files]
    try:
        with av.open(str(files[0])) as container:
            return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    except (av.FFmpegError, OSError, IndexError) as error:
        raise UserError(f"{files[0]}: cannot be decoded ({error}); write it again as H.264 mp4.") from error
