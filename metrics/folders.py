"""Results made elsewhere: folders of frames or videos, paired with their true frames by name."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from thedit.errors import UserError
from thedit.media import pictures, stream
from thedit.media.files import PICTURES, VIDEOS, UnreadableError, hidden
from thedit.media.names import natural


@dataclass(frozen=True)
class Folder:
    """The clips of a folder by name, each with its files in natural order, and the files that are no part of any."""

    path: Path
    clips: dict[str, list[Path]]
    unused: list[Path]


def read(folder: Path) -> Folder:
    """Find clips: a video or an animated picture is one, and so are the other pictures of one folder.

    The name is the path below ``folder`` without a suffix; pictures in ``folder`` itself are the clip ``.``. Hidden
    files do not count. Raises `UserError` for a folder without either, and where two clips have one name.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: is no folder; give a folder of frames or videos.")
    found: dict[str, list[Path]] = {}
    stills: dict[str, list[Path]] = {}
    unused = []
    for path in sorted(folder.rglob("*"), key=natural):
        place = path.relative_to(folder)
        if hidden(place) or path.is_dir():
            continue
        suffix = path.suffix.lower()
        if suffix in VIDEOS or (suffix in PICTURES and _animated(path)):
            found.setdefault(str(place.with_suffix("")), []).append(path)
        elif suffix in PICTURES:
            stills.setdefault(str(place.parent), []).append(path)
        else:
            unused.append(path)
    for name, files in found.items():
        if len(files) > 1 or name in stills:
            other = files[1] if len(files) > 1 else stills[name][0].parent
            raise UserError(f"{files[0]}: is the clip '{name}', and so is {other}; remove or rename one of them.")
    if not found and not stills:
        raise UserError(f"{folder}: holds neither pictures nor videos; check the path.")
    return Folder(folder, {**found, **stills}, unused)


def paired(predictions: Folder, targets: Folder) -> Iterator[tuple[str, list[Path], list[Path]]]:
    """Clips of both folders by name; `UserError` names the first clip that only one of them has."""
    ours, theirs = predictions.clips, targets.clips
    for name in sorted(ours.keys() ^ theirs.keys(), key=natural):
        has, lacks = (predictions, targets) if name in ours else (targets, predictions)
        raise UserError(f"{lacks.path}: has no clip '{name}', which {has.path} has; clips are paired by name.")
    for name in sorted(ours, key=natural):
        yield name, ours[name], theirs[name]


def frames(files: list[Path]) -> Iterator[np.ndarray]:
    """All frames of a clip, uint8 RGB (H, W, 3), one at a time; `UserError` if one cannot be decoded."""
    faults: dict[int, str] = {}
    count = 0
    try:
        wanted = range(len(stream.timeline(files).ticks))
        for picture in stream.read(files, wanted, faults=faults):
            if picture.number != count:
                break
            count += 1
            yield picture.pixels
    except UnreadableError as error:
        raise UserError(f"{files[0]}: {error}; write it again.") from error
    if count < len(wanted):
        path = files[count] if len(files) > 1 else files[0]
        reason = faults.get(count, f"frame {count} does not decode").removeprefix(path.name).strip()
        raise UserError(f"{path}: {reason}; write it again.")


class Frames(Collection[np.ndarray]):
    """The frames of a clip, decoded anew by `frames` whenever one goes through them: memory holds one at a time."""

    def __init__(self, files: list[Path]):
        self.files = files

    def __len__(self) -> int:
        return len(stream.timeline(self.files).ticks)

    def __iter__(self) -> Iterator[np.ndarray]:
        return frames(self.files)

    def __contains__(self, picture: object) -> bool:
        return any(np.array_equal(one, np.asarray(picture)) for one in self)


def remarks(folder: Folder) -> list[str]:
    """What happened to files without a word elsewhere: those not used, and pictures that are transparent."""
    said = []
    if folder.unused:
        said.append(
            f"{len(folder.unused)} files are neither pictures nor videos and are not used ({_some(folder.unused)})"
        )
    files = [path for clip in folder.clips.values() for path in clip if path.suffix.lower() in PICTURES]
    if clear := [path for path in files if pictures.transparent(path)]:
        said.append(f"{len(clear)} pictures have transparency and are laid over white ({_some(clear)})")
    return [f"{folder.path}: {one}" for one in said]


def _some(files: list[Path]) -> str:
    return ", ".join(path.name for path in files[:3]) + (", ..." if len(files) > 3 else "")


def _animated(path: Path) -> bool:
    try:
        return len(stream.timeline([path]).ticks) > 1
    except UnreadableError as error:
        raise UserError(f"{path}: {error}; write it again, or remove it.") from error
