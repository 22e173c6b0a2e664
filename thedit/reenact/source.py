"""Source: the picture, or the frame of a video, whose person moves."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from thedit.config import Preprocess
from thedit.errors import UserError
from thedit.media import stream
from thedit.media.files import PICTURES, UnreadableError, hidden
from thedit.media.names import natural
from thedit.reenact import consistency
from thedit.reenact.faces import LONGEST, Face, follow, network
from thedit.shards.batch import FrameBatch


@dataclass(frozen=True)
class Portrait:
    """A source: frame ``number`` of a file as a method is given it (1), its crop (S, S, 3) uint8 and the crop's box.

    remarks: what a user should know about it; doubt: why its face is read wrongly, empty where it is not.
    """

    path: Path
    number: int
    frame: FrameBatch
    crop: np.ndarray
    box: np.ndarray
    remarks: list[str]
    doubt: str = ""

    def picture(self) -> np.ndarray:
        """The whole picture (H, W, 3) at its own resolution."""
        return next(iter(stream.read([self.path], range(self.number, self.number + 1)))).pixels


def paths(given: Iterable[Path]) -> list[Path]:
    """The files that are given, each folder replaced by the pictures in it; `UserError` for a folder without any.

    What else lies in a folder and is not hidden is counted on standard error.
    """
    found = []
    for path in given:
        if not path.is_dir():
            found.append(path)
            continue
        there = sorted((file for file in path.iterdir() if not hidden(Path(file.name))), key=natural)
        inside = [file for file in there if file.suffix.lower() in PICTURES]
        if not inside:
            raise UserError(f"{path}: holds no pictures; choose another folder.")
        if left := [file.name for file in there if file not in inside]:
            print(f"{path}: {len(left)} files are no pictures and are not used ({left[0]}, ...)", file=sys.stderr)
        found += inside
    return found


def load(path: Path, settings: Preprocess, number: int | None = None) -> Portrait:
    """The source in a picture or video: frame ``number`` if given, else the best one.

    Raises `UserError` when the file or the frame cannot be used.
    """
    with readable(path):
        count = len(stream.timeline([path]).ticks)
        if number is not None and not 0 <= number < count:
            raise UserError(f"{path}: has no frame {number}; --source-frame goes from 0 to {count - 1}.")
        wanted = range(count) if number is None else range(number, number + 1)
        best = _best(follow(stream.read([path], wanted, LONGEST), settings))
    if not best.usable or best.box is None:
        raise UserError(f"{path}: {best.reason}; choose another file{remedy(best.reason)}.")
    remarks = [f"the source is frame {best.number} of {count}"] if count > 1 else []
    place, people = best.place
    if people > 1:
        remarks.append(
            f"shows {people} faces; number {place} from the left, the largest, is animated; crop it to choose another"
        )
    doubt = _doubt(path, best.number, best.frame.landmarks[0].numpy() * best.box[2] + best.box[:2])
    return Portrait(path, best.number, best.frame, best.crop, best.box, remarks, doubt)


def _doubt(path: Path, number: int, landmarks: np.ndarray) -> str:
    """Why the face with ``landmarks`` (68, 2), in pixels of frame ``number``, is read wrongly, if it is."""
    picture = next(iter(stream.read([path], range(number, number + 1), LONGEST)))
    return consistency.doubt(picture.pixels, landmarks * picture.scale, network("landmarks", "annyheads"))


def _best(faces: Iterable[Face]) -> Face:
    """The best of the faces that can be used, or else the first; one picture is kept, whatever the video's length."""
    best = None
    for face in faces:
        if best is None or (face.usable and (not best.usable or face.quality > best.quality)):
            best = face
    return best or Face(0, 0.0, "does not decode")


def remedy(reason: str) -> str:
    """What else to try after a reason."""
    return ", or --detector yunet or blazeface" if reason == "no face found" else ""


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """A context in which a file that cannot be read becomes a `UserError`."""
    try:
        yield
    except UnreadableError as error:
        raise UserError(f"{path}: {error}; choose another file.") from error
