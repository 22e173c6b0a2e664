"""Data-set specs: a YAML file that says where a data set's videos or pictures lie, who they show and how they split."""

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, model_validator

from thedit.config import Section, parse
from thedit.errors import UserError
from thedit.video import pattern, sheet


class Expected(Section):
    """A folder or file that the user supplies."""

    path: str = Field(description="relative to the spec's root")
    what: str = Field(description="what it is and where to get it")


class Split(Section):
    """How people are divided; the first rule that applies decides."""

    rename: dict[str, str] = Field({}, description="split by the pattern's {split} field, e.g. {dev: train}")
    test: list[str] = Field([], description="people of the test split; * and ? match as in file names")
    test_share: float = Field(0.0, ge=0, lt=1, description="share of people, chosen by a hash of their name")
    default: str = Field("train", description="everybody else")


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
    sheet: str | None = Field(None, description="CSV sample sheet: video, and optionally person, split, start, end")
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
    """

    name: str
    paths: tuple[Path, ...]
    person: str
    clip: str
    split: str
    start: float = 0.0
    end: float = math.inf
    still: bool = False


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
    """Read and check a spec; `UserError` names file, key and remedy."""
    path = Path(path)
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check data.spec in the config.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: is not valid YAML ({' '.join(str(error).split())}); correct that line.") from error
    return parse(values, Spec, path)


def collect(spec: Spec, name: str) -> Inputs:
    """Find the inputs of ``spec`` for the data set called ``name`` (config key ``data.name``), sorted.

    Raises `UserError` when the root is missing or nothing is found at all; what else is missing or unusable is listed.
    """
    root = Path(spec.root.replace("{name}", name))
    wanted = "".join(f"\n  {item.path}: {item.what}" for item in spec.expect)
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; put the files of {spec.title} there.{wanted}")
    if spec.sheet is not None:
        sources, problems = _from_sheet(spec, root)
    else:
        sources, problems = _from_pattern(spec, root)
    sources, repeated = _without_repeats(sources)
    if not sources and not problems:
        kind = spec.videos or spec.images or spec.sheet
        raise UserError(f"{root}: nothing matches '{kind}'; put the files of {spec.title} there.{wanted}")
    missing = [f"{item.path}: missing; {item.what}" for item in spec.expect if not (root / item.path).exists()]
    for split, count in spec.people.items():
        there = len({source.person for source in sources if source.split == split})
        if there < count:
            missing.append(f"split {split}: {there} of {count} people are there")
    return Inputs(root, sources, problems + repeated, missing)


def _from_sheet(spec: Spec, root: Path) -> tuple[list[Source], list[Problem]]:
    path = root / str(spec.sheet)
    rows = sheet.read(path)
    uses: dict[str, int] = {}
    for row in rows:
        uses[row.video] = uses.get(row.video, 0) + 1
    sources = []
    for row in rows:
        stem = Path(row.video).stem
        person = row.person or stem
        clip = stem if uses[row.video] == 1 else f"{stem}@{row.start:g}"
        split = row.split or _split(spec.split, person, None)
        file = path.parent / row.video
        sources.append(
            Source(
                pattern.readable(row.video), (file,), person, clip, split, row.start, row.end,
                still=file.suffix.lower() in pattern.PICTURES,
            )
        )  # fmt: skip
    return sorted(sources, key=lambda source: (source.person, source.clip)), []


def _from_pattern(spec: Spec, root: Path) -> tuple[list[Source], list[Problem]]:
    found, unreadable = pattern.find(root, str(spec.videos or spec.images))
    groups: dict[tuple[str, str, str], list[Path]] = {}
    for path, fields in found:
        stem = pattern.readable(path.stem)
        naming = [value for key, value in fields.items() if key not in ("person", "split", "frame")]
        person = _fill(spec.person, fields, stem) if spec.person else fields.get("person", stem)
        clip = _fill(spec.clip, fields, stem) if spec.clip else "-".join(naming) or stem
        if spec.images and "frame" in fields and not spec.clip and not naming:
            clip = pattern.readable(path.parent.name)
        split = _split(spec.split, person, fields.get("split"))
        groups.setdefault((person, clip, split), []).append(path)
    sources = []
    for (person, clip, split), paths in sorted(groups.items()):
        together = [tuple(sorted(paths))] if spec.images and "{frame}" in spec.images else [(path,) for path in paths]
        for number, files in enumerate(together):
            unique = clip if len(together) == 1 else f"{clip}.{number}"
            name = pattern.readable(files[0].relative_to(root).as_posix())
            sources.append(Source(name, files, person, unique, split, still=spec.images is not None))
    return sources, [Problem(pattern.readable(path.relative_to(root).as_posix()), why) for path, why in unreadable]


def _fill(template: str, fields: dict[str, str], stem: str) -> str:
    try:
        return template.format(stem=stem, **fields)
    except KeyError as error:
        raise UserError(
            f"person or clip: '{template}' names the field {error} that the pattern does not have."
        ) from error


def _split(rule: Split, person: str, field: str | None) -> str:
    if field is not None:
        return rule.rename.get(field, field)
    if any(fnmatchcase(person, test) for test in rule.test):
        return "test"
    if rule.test_share and int(hashlib.sha256(person.encode()).hexdigest()[:8], 16) < rule.test_share * 2**32:
        return "test"
    return rule.default


def _without_repeats(sources: Iterable[Source]) -> tuple[list[Source], list[Problem]]:
    """Each file and interval once: a second name for it is a problem, not more data."""
    seen: dict[tuple, str] = {}
    kept, repeated = [], []
    for source in sources:
        try:
            key = (tuple(path.resolve(strict=True) for path in source.paths), source.start, source.end)
        except (OSError, RuntimeError):  # missing, or a loop of links: said when it is decoded
            kept.append(source)
            continue
        if key in seen:
            repeated.append(Problem(source.name, f"is the same file as {seen[key]}"))
        else:
            seen[key] = source.name
            kept.append(source)
    return kept, repeated
