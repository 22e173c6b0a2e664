"""A submission: one zip file with ``method.json`` and ``<protocol>/<pair>/output/<frame:04d>.png``.

It comes from a stranger: nothing in it is executed, no name in it decides where a file goes, and its sizes are checked
before anything is decoded.
"""

import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from pydantic import Field

from thedit.benchmark.task import Task
from thedit.config import Section, parse
from thedit.errors import UserError
from thedit.media.files import check
from thedit.methods.external import INPUTS

METHOD = "method.json"
SHOWN = 5  # names that a sentence gives of files with the same fault
BITS = 24  # where a PNG says how many bits a colour has
TURNED = 0x0112  # the EXIF tag of a picture's orientation
SLACK = 65536  # bytes that a picture may have beyond its plain pixels


class About(Section):
    """``method.json``: who sends this, and what it is."""

    benchmark: str = Field(description="digest of the task that was answered")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$", description="name in tables")
    version: str = Field(min_length=1, max_length=64, description="version of the method")
    authors: str = Field("", max_length=500, description="who made it")
    url: str = Field("", max_length=500, description="where it is described")
    training_data: str = Field(min_length=1, max_length=500, description="what its weights have seen")
    licence: str = Field("", max_length=200, description="of its code and weights")
    camera_control: bool = Field(description="whether it obeys cameras that leave the driver's place")


class Place(NamedTuple):
    """Where a picture belongs."""

    protocol: str
    pair: str
    frame: int

    @property
    def name(self) -> str:
        """Its name in the zip file."""
        return f"{self.protocol}/{self.pair}/output/{self.frame:04d}.png"


class Submission:
    """The zip file ``path`` as an answer to ``task``; close it, or use it in a ``with`` statement.

    Raises `UserError` when it is no zip file, or its ``method.json`` is missing, damaged or for another task.
    """

    def __init__(self, path: Path, task: Task):
        self.path, self.task = path, task
        try:
            check(path)
            self._zip = zipfile.ZipFile(path)
        except Exception as error:  # a damaged directory of files raises anything
            raise UserError(f"{path}: cannot be read as a zip file ({error}); pack it again.") from error
        self._count = Counter(self._zip.namelist())
        self.about = self._about()
        if self.about.benchmark != task.digest:
            raise UserError(
                f"{path}: {METHOD}: benchmark is '{self.about.benchmark}', this task is '{task.digest}'; "
                "answer the folder that was packed for this task."
            )

    def __enter__(self) -> "Submission":
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def asked(self) -> list[Place]:
        """The pictures that are wanted of this method, in order."""
        return [
            Place(protocol, pair, frame)
            for protocol, asked in self.task.protocols.items()
            if self.about.camera_control or not asked.moves_camera
            for pair, count in asked.pairs.items()
            for frame in range(count)
        ]

    def problems(self) -> list[str]:
        """Everything that is missing, misnamed or unusable, one sentence a kind; empty when all is there."""
        asked = self.asked()
        names, found = self._zip.namelist(), set(self._count)
        wanted = {place.name for place in asked}
        # what the packed folder itself holds may come back with the answer
        extra = [name for name in names if name not in wanted and not name.endswith("/") and not _belongs(name)]
        wrong: dict[str, list[str]] = {}
        for place in asked:
            if place.name in found and (reason := self._fault(place)):
                wrong.setdefault(reason, []).append(place.name)
        sentences = [
            _sentence("missing", sorted(wanted - found), f"of {len(wanted)}; they count as failed"),
            _sentence("unexpected", extra, f"files are {METHOD} and <protocol>/<pair>/output/0000.png"),
            *(_sentence(reason, places) for reason, places in wrong.items()),
        ]
        return [sentence for sentence in sentences if sentence]

    def pictures(self) -> Iterator[tuple[Place, np.ndarray | None, str]]:
        """Each wanted place with its picture (S, S, 3) uint8, or None and the reason why it cannot be used."""
        for place in self.asked():
            reason = self._fault(place) if self._count[place.name] else "not in the submission"
            yield place, None if reason else self._decode(place), reason

    def _about(self) -> About:
        origin = f"{self.path}: {METHOD}"
        if self._count[METHOD] > 1:
            raise UserError(f"{origin}: is given twice; pack one.")
        try:
            info = self._zip.getinfo(METHOD)
            if info.file_size > SLACK:
                raise UserError(f"{origin}: has {info.file_size} bytes; it is a short text.")
            values = json.loads(self._zip.read(info))
        except UserError:
            raise
        except KeyError as error:
            raise UserError(f"{origin}: is missing; fill in method.example.json of the task.") from error
        except Exception as error:  # as in a damaged zip file
            raise UserError(f"{origin}: cannot be read ({error}); fill in method.example.json of the task.") from error
        return parse(values, About, origin)

    def _fault(self, place: Place) -> str:
        """Why a picture cannot be used; empty if it can."""
        size, info = self.task.size, self._zip.getinfo(place.name)
        if self._count[place.name] > 1:
            return "given twice"
        if info.flag_bits & 1:
            return "encrypted"
        if info.file_size > 4 * size * size + SLACK:
            return f"larger than a picture of {size} x {size} pixels can be"
        try:
            content = self._zip.read(info)
            with Image.open(io.BytesIO(content)) as picture:
                if picture.format != "PNG" or picture.mode != "RGB" or content[BITS] != 8:
                    bits = f", {content[BITS]} bits" if picture.mode == "RGB" and content[BITS] != 8 else ""
                    return f"{picture.format} in mode {picture.mode}{bits}, not PNG with 8 bits RGB"
                if picture.size != (size, size):
                    return f"{picture.width} x {picture.height} pixels, not {size} x {size}"
                if (
                    picture.has_transparency_data
                    or getattr(picture, "n_frames", 1) > 1
                    or picture.getexif().get(TURNED, 1) != 1
                ):
                    return "transparent, animated or turned by a flag, not a plain picture"
                picture.load()
        except Exception:  # decoders raise anything for damaged files
            return "damaged"
        return ""

    def _decode(self, place: Place) -> np.ndarray:
        with Image.open(io.BytesIO(self._zip.read(place.name))) as picture:
            return np.asarray(picture.convert("RGB"))


def _belongs(name: str) -> bool:
    """Whether a file is of the packed folder itself."""
    parts = name.split("/")
    return name in (METHOD, "method.example.json", "README.md", "benchmark.json") or (
        len(parts) > 2 and parts[2] in INPUTS
    )


def _sentence(what: str, names: list[str], remark: str = "") -> str:
    if not names:
        return ""
    shown = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
    return f"{len(names)} {what}: {shown}" + (f" ({remark})" if remark else "")
