"""Data-set specs: a YAML file that says where a data set's videos or pictures lie, who they show and how they split."""

import gc
import itertools
import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from thedit import shipped
from thedit.config import Section, parse, read
from thedit.errors import UserError
from thedit.media.names import frame_numbers, natural
from thedit.video import pattern, sheet, splits
from thedit.video.splits import Split


class Expected(Section):
    """A folder or file that the user supplies."""

    path: str = Field(description="relative to the spec's root")
    what: str = Field(description="what it is and where to get it")


class Spec(Section):
    """A data set. Exactly one of ``videos``, ``images`` and ``sheet`` says what its inputs are.

    Patterns are paths relative to ``root``: ``{field}`` stands for a part of a file's or folder's name, ``*`` for any
    part, ``**`` for any folders. Fields named person and split say who and which split; the others name the clip.
    """

    title: str = Field(description="the data set's name for people")
    about: str = Field("", description="source, licence, splits: what a user must know")
    root: str = Field(description="folder of the files, relative to the current directory; {name} is data.name")
    videos: str | None = Field(None, description="pattern of video files")
    images: str | None = Field(
        None, description="pattern of pictures; with {frame} the pictures that share all other fields form a clip"
    )
    sheet: str | None = Field(
        None, description="CSV sample sheet: video, and optionally person, split, start, end, frames"
    )
    person: str | None = Field(None, description="template of the person's name, e.g. {video}-P{n}")
    clip: str | None = Field(None, description="template of the clip's name")
    faces: Literal["one", "all"] = Field("one", description="the main face of a video, or every face in it")
    split: Split = Split()
    expect: list[Expected] = Field([], description="what the user supplies")
    people: dict[str, int] = Field({}, description="how many people each split has when it is complete")

    @model_validator(mode="after")
    def _one_kind(self) -> "Spec":
        if sum(kind is not None for kind in (self.videos, self.images, self.sheet)) != 1:
            raise ValueError("exactly one of 'videos', 'images' and 'sheet' must be given")
        return self


@dataclass(frozen=True)
class Source:
    """One input: a video file, or the pictures of one clip in order.

    ``start`` and ``end`` (seconds) limit a video. ``name`` is how it is called in tables, relative to the root.
    ``frames`` is how many it must have, 0 where nobody says.
    """

    name: str
    paths: tuple[Path, ...]
    person: str
    clip: str
    split: str
    start: float = 0.0
    end: float = math.inf
    frames: int = 0


@dataclass(frozen=True)
class Problem:
    """An input that cannot be used as it is, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Inputs:
    """What a spec yields on this machine."""

    root: Path
    sources: list[Source]
    problems: list[Problem]
    missing: list[str]


def load(path: str | Path) -> Spec:
    """Read and check a spec, the user's or a shipped one; `UserError` names file, key and remedy."""
    path = shipped.find(path)
    return parse(read(path, "check data.spec in the config"), Spec, path)


def collect(spec: Spec, name: str) -> Inputs:
    """Find the inputs of ``spec`` for the data set called ``name`` (config key ``data.name``), sorted.

    Raises `UserError` when the root is missing or nothing is found at all; what else is missing or unusable is listed.
    """
    with _without_search_for_cycles():
        return _collect(spec, name)


def _collect(spec: Spec, name: str) -> Inputs:
    root = Path(spec.root.replace("{name}", name))
    wanted = "".join(f"\n  {item.path}: {item.what}" for item in spec.expect)
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; put the files of {spec.title} there.{wanted}")
    if spec.sheet is not None:
        unused: list[str] = []
        sources, problems = _from_sheet(spec, root)
    else:
        sources, problems, unused = _from_pattern(spec, root)
    sources, repeated = _without_repeats(sources)
    if not sources and not problems:
        kind = spec.videos or spec.images or spec.sheet
        raise UserError(f"{root}: nothing matches '{kind}'; put the files of {spec.title} there.{wanted}")
    missing = [f"{item.path}: missing; {item.what}" for item in spec.expect if not (root / item.path).exists()]
    for split, count in spec.people.items():
        there = len({source.person for source in sources if source.split == split})
        if there < count:
            missing.append(f"split {split}: {there} of {count} people are there")
    return Inputs(root, sources, problems + repeated, missing + unused + splits.remarks(spec.split, sources))


def _from_sheet(spec: Spec, root: Path) -> tuple[list[Source], list[Problem]]:
    path = root / str(spec.sheet)
    rows = sheet.read(path)
    uses: dict[str, int] = {}
    for row in rows:
        uses[row.video] = uses.get(row.video, 0) + 1
    people = [row.person or Path(row.video).stem for row in rows]
    test = splits.test_people(spec.split, {person for row, person in zip(rows, people) if not row.split})
    sources = []
    for row, person in zip(rows, people):
        stem = Path(row.video).stem
        clip = stem if uses[row.video] == 1 else f"{stem}@{row.start:g}"
        split = row.split or ("test" if person in test else spec.split.default)
        file = path.parent / row.video
        if "\\" in row.video and not file.exists():  # as Windows writes paths
            file = path.parent / row.video.replace("\\", "/")
        sources.append(
            Source(pattern.readable(row.video), (file,), person, clip, split, row.start, row.end, row.frames)
        )
    return sorted(sources, key=lambda source: (source.person, source.clip)), []


def _from_pattern(spec: Spec, root: Path) -> tuple[list[Source], list[Problem], list[str]]:
    """Sources, what is wrong with some, and a remark about files that the pattern does not match."""
    found, unreadable = pattern.find(str(root), str(spec.videos or spec.images))
    sequences = bool(spec.images and "{frame}" in spec.images)
    problems = [Problem(_name(path, root), why) for path, why in unreadable]
    groups: dict[tuple[str, str, str | None], list[tuple[str, str]]] = {}
    for path, fields in found:
        stem = pattern.readable(_stem(path))
        naming = [value for key, value in fields.items() if key not in ("person", "split", "frame")]
        person = _fill(spec.person, fields, stem) if spec.person else fields.get("person", stem)
        clip = _fill(spec.clip, fields, stem) if spec.clip else "-".join(naming) or stem
        if sequences and not spec.clip and not naming:
            clip = pattern.readable(Path(path).parent.name)
        groups.setdefault((person, clip, fields.get("split")), []).append((fields.get("frame", ""), path))
    test = splits.test_people(spec.split, {person for person, _, field in groups if field is None})
    sources = []
    for (person, clip, field), files in sorted(groups.items(), key=lambda item: tuple(map(str, item[0]))):
        split = "test" if person in test else spec.split.default
        if field is not None:
            split = spec.split.rename.get(field, field)
        if sequences:
            paths, wrong = _in_order(files, root)
            problems += wrong
        together = [paths] if sequences else [(path,) for _, path in files]
        for number, some in enumerate(together):
            unique = clip if len(together) == 1 else f"{clip}.{number}"
            sources.append(Source(_name(some[0], root), tuple(map(Path, some)), person, unique, split))
    return sources, problems, _unused(root, {path for path, _ in found}, str(spec.videos or spec.images))


def _in_order(files: list[tuple[str, str]], root: Path) -> tuple[tuple[str, ...], list[Problem]]:
    """A clip's pictures by the number of their field ``frame``, without second ones of a number; what is wrong."""
    files = sorted(files, key=lambda item: natural(item[0]))
    numbers = frame_numbers([value for value, _ in files])
    if numbers is None:
        return tuple(path for _, path in files), []
    chosen: dict[int, str] = {}
    problems = []
    for number, (_, path) in zip(numbers, files):
        if number in chosen:
            problems.append(Problem(_name(path, root), f"has the same frame number as {_name(chosen[number], root)}"))
        chosen.setdefault(number, path)
    there = sorted(chosen)
    steps = list(itertools.pairwise(there))
    step = min((after - before for before, after in steps), default=1)
    gaps = [(before, after) for before, after in steps if after - before > step]
    if gaps:
        count = sum((after - before) // step - 1 for before, after in gaps)
        problems.append(
            Problem(
                _name(chosen[there[0]], root),
                f"its clip lacks {count} of its frames, the first of them number {gaps[0][0] + step}",
            )
        )
    return tuple(chosen[number] for number in there), problems


def _unused(root: Path, used: set[str], wanted: str) -> list[str]:
    """One remark about the files below ``root`` that are not hidden and not used."""
    left: list[str] = []
    for folder, folders, files in os.walk(str(root)):
        folders[:] = [name for name in folders if name[0] != "."]
        paths = (os.path.join(folder, name) for name in files if name[0] != ".")
        left += [_name(path, root) for path in paths if path not in used]
    if not left:
        return []
    some = ", ".join(sorted(left, key=natural)[:3]) + (", ..." if len(left) > 3 else "")
    return [f"{len(left)} files do not match '{wanted}' and are not used ({some})"]


@contextmanager
def _without_search_for_cycles() -> Iterator[None]:
    """Python's collector would look through all that is known of a million files again and again."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def _name(path: str, root: Path) -> str:
    """A path below ``root`` as it is called in tables."""
    return pattern.readable(path[len(os.path.join(root, "")) :])


def _stem(path: str) -> str:
    """As `Path.stem`."""
    name = path.rpartition("/")[2]
    return name.rpartition(".")[0] or name


def _fill(template: str, fields: dict[str, str], stem: str) -> str:
    try:
        return template.format(stem=stem, **fields)
    except KeyError as error:
        raise UserError(
            f"person or clip: '{template}' names the field {error} that the pattern does not have."
        ) from error


def _without_repeats(sources: Iterable[Source]) -> tuple[list[Source], list[Problem]]:
    """Each file and interval once: a second name for it is a problem, not more data."""
    seen: dict[tuple, str] = {}
    kept, repeated = [], []
    for source in sources:
        try:
            files = tuple((status.st_dev, status.st_ino) for status in map(os.stat, source.paths))
        except OSError:  # missing, or a loop of links: said when it is decoded
            kept.append(source)
            continue
        key = (files, source.start, source.end)
        if key in seen:
            repeated.append(Problem(source.name, f"is the same file as {seen[key]}"))
        else:
            seen[key] = source.name
            kept.append(source)
    return kept, repeated
