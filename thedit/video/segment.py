"""One segment of a video, at most a shard long: decoded once to find the faces, and once more to cut them out."""

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from thedit import camera
from thedit.config import Preprocess
from thedit.faces import registry
from thedit.files import sha256
from thedit.media.files import UnreadableError, check
from thedit.shards.writer import Frame
from thedit.video import clips, crop, decode, parts, people, pose, truth
from thedit.video.progress import Progress
from thedit.video.shots import Shots
from thedit.video.smooth import FACE, frame_rate, smooth
from thedit.video.spec import Source
from thedit.video.track import State, Tracker

ANALYSED = 1280  # longer side of the picture in which faces and landmarks are searched
PNG = (
    *(cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP),
)  # quick to write and to read


@dataclass(frozen=True)
class Segment:
    """Frames ``first`` to ``stop`` (exclusive) of a source; ``whole`` if these are all."""

    source: Source
    first: int
    stop: int
    whole: bool


@dataclass(frozen=True)
class Row:
    """One line of the QA table; ``frame`` is None where a whole input failed."""

    video: str
    person: str
    clip: str
    split: str
    frame: int | None
    status: str
    reason: str


@dataclass(frozen=True)
class Result:
    """What came out of a segment: frames to keep in order, QA rows, and the sha256 of the source.

    embeddings: a face embedding (128,) a clip, where people are told apart by their faces.
    """

    frames: list[Frame]
    rows: list[Row]
    sha256: str
    embeddings: dict[tuple[str, str], np.ndarray]


@dataclass(frozen=True)
class _Draft:
    """A frame to be kept that lacks its pictures, and its landmarks (68, 2) in the video's pixels."""

    frame: Frame
    landmarks: np.ndarray


@dataclass(frozen=True)
class _Seen:
    """The first pass up to the picture ``first``: what tracker and shots remember, cuts, times, sizes, faults."""

    first: int
    tracker: State
    shots: tuple[np.ndarray | None, list[float]]
    cuts: list[int]
    times: dict[int, float]
    sizes: dict[int, tuple[int, int]]
    faults: dict[int, str]


@dataclass(frozen=True)
class _Pictures:
    """A stretch of the second pass: the next stretch's first picture, frames by draft, and all embeddings so far."""

    following: int
    frames: dict[int, Frame]
    embeddings: dict[tuple[str, str], np.ndarray]


def process(
    segment: Segment,
    settings: Preprocess,
    root: Path,
    every_face: bool,
    count: Callable[[], object] = lambda: None,
    progress: Progress | None = None,
) -> Result:
    """Turn a segment into frames and QA rows; whatever is wrong with the input ends as a reason in the rows.

    ``count`` is called after the search for faces in each frame that decodes, which is most of the work. What
    ``progress`` holds is not done again.
    """
    progress = progress or Progress()
    try:
        digest = _digest(segment.source.paths)
        fitted = progress.load("fitted", tuple[list[_Draft], list[Row]])
        if fitted is None:
            fitted = _fit(segment, settings, root, every_face, count, progress)
            if segment.stop - segment.first > progress.every:
                progress.save("fitted", fitted)
    except UnreadableError as error:
        return Result([], [failure(segment.source, str(error))], "", {})
    drafts, rows = fitted
    frames, embeddings = _cut_out(segment, drafts, settings, every_face, progress)
    return Result(frames, rows, digest, embeddings)


def failure(source: Source, reason: str) -> Row:
    """The QA row of an input that gives nothing at all."""
    return Row(source.name, source.person, "", source.split, None, "failed", reason)


def _fit(
    segment: Segment,
    settings: Preprocess,
    root: Path,
    every_face: bool,
    count: Callable[[], object],
    progress: Progress,
) -> tuple[list[_Draft], list[Row]]:
    """Find the faces and fit them: drafts of the frames to be kept, and the rows of all frames."""
    source = segment.source
    found, times, sizes, faults = _observe(segment, settings, every_face, count, progress)
    rows: list[Row] = []
    drafts: list[_Draft] = []
    for clip in found:
        person = f"{source.person}#{segment.first}.{clip.face}" if every_face else source.person
        name = source.clip if segment.whole and len(found) == 1 else f"{source.clip}.{clip.frames[0]}"
        try:
            labelled, reasons = _label(clip, person, name, source, sizes[int(clip.frames[0])], times, settings, root)
        except (np.linalg.LinAlgError, torch.linalg.LinAlgError):
            labelled, reasons = [], ["landmarks fit no head"] * len(clip.frames)
        for number, reason in zip(clip.frames.tolist(), reasons):
            status = "dropped" if reason else "kept"
            rows.append(Row(source.name, person, name, source.split, number, status, reason))
        drafts += [draft for draft, reason in zip(labelled, reasons) if not reason]
    seen = {row.frame for row in rows}
    for number in range(segment.first, segment.stop):
        if number not in times:
            reason = faults.get(number, "does not decode")
            rows.append(Row(source.name, source.person, "", source.split, number, "failed", reason))
        elif number not in seen:
            rows.append(Row(source.name, source.person, "", source.split, number, "dropped", "no face found"))
    return drafts, sorted(rows, key=lambda row: (row.frame or 0, row.person))


def _observe(
    segment: Segment, settings: Preprocess, every_face: bool, count: Callable[[], object], progress: Progress
) -> tuple[list[clips.Clip], dict[int, float], dict[int, tuple[int, int]], dict[int, str]]:
    """First pass: clips of faces, time, and width and height of every frame that decodes, and why others do not.

    Where the size changes a new shot begins, so that a clip has one size.
    """
    landmarker, pose_landmarker = (_network("landmarks", name) for name in (settings.landmarks, settings.pose))
    tracker = Tracker(_network("detector", settings.detector), landmarker, pose_landmarker, settings.min_face)
    shots, cuts = Shots(), []
    times: dict[int, float] = {}
    sizes: dict[int, tuple[int, int]] = {}
    faults: dict[int, str] = {}
    first = segment.first
    if kept := progress.load("seen", _Seen):
        first, cuts, times, sizes, faults = kept.first, kept.cuts, kept.times, kept.sizes, kept.faults
        tracker.state, shots.state = kept.tracker, kept.shots
    for picture in decode.read(segment.source, range(first, segment.stop), ANALYSED, faults, settings.max_pixels):
        if picture.number - first >= progress.every:
            first = picture.number
            progress.save("seen", _Seen(first, tracker.state, shots.state, cuts, times, sizes, faults))
        times[picture.number] = picture.time
        height, width = picture.pixels.shape[:2]
        size = round(width / picture.scale), round(height / picture.scale)
        resized = size != next(reversed(sizes.values()), size)
        sizes[picture.number] = size
        if shots(picture.pixels) or resized:
            tracker.cut()
            cuts.append(picture.number)
        tracker.add(picture)
        count()
    found = clips.assemble(tracker.tracks, cuts, every_face)
    if settings.crop == "fixed":
        found = [part for clip in found for part in clips.divide(clip, *sizes[int(clip.frames[0])])]
    return found, times, sizes, faults


def _label(
    clip: clips.Clip,
    person: str,
    name: str,
    source: Source,
    size: tuple[int, int],
    times: dict[int, float],
    settings: Preprocess,
    root: Path,
) -> tuple[list[_Draft], list[str]]:
    """Fit one clip: drafts of all its frames, and why each is dropped (empty: it is kept)."""
    rate = frame_rate(times)
    landmarks = smooth(clip.landmarks, clip.frames, rate, FACE)
    pose_landmarks = smooth(clip.pose_landmarks, clip.frames, rate, FACE)
    posed = pose.fit(landmarks, pose_landmarks, clip.frames, rate, *size, settings)
    cameras = posed.cameras
    if settings.camera == "truth":
        recorded = torch.from_numpy(truth.cameras(root, source.person, source.clip, clip.frames)).float()
        cameras = camera.crop(recorded, torch.from_numpy(posed.boxes / size[0]).float()).numpy()
    angles = camera.angles(torch.from_numpy(cameras[:, :16]).unflatten(1, (4, 4))).numpy()  # (T, 3)
    reasons = clips.flaws(clip, *size, angles[:, 0], posed.landmarks, posed.fit.error.numpy(), settings)
    drafts, known = (
        [],
        truth.surfaces(root, source.person, source.clip, clip.frames, posed.boxes / size[0], settings.size),
    )
    for row, number in enumerate(clip.frames.tolist()):
        scale = float(posed.boxes[row, 2]) / settings.size
        frame = Frame(
            person=person,
            clip=name,
            split=source.split,
            frame=number,
            time=times[number],
            image=b"",
            parts=b"",
            camera=cameras[row],
            landmarks=posed.landmarks[row],
            expression=posed.fit.expression[row].numpy(),
            identity=posed.fit.identity[row].numpy(),
            quality=clips.quality(landmarks[row], float(clip.sharpness[row]), angles[row], scale),
            box=posed.boxes[row],
            performance=known.performance if known else name,
            surface=known.surfaces[row] if known else b"",
        )
        drafts.append(_Draft(frame, landmarks[row]))
    return drafts, reasons


def _cut_out(
    segment: Segment, drafts: list[_Draft], settings: Preprocess, every_face: bool, progress: Progress
) -> tuple[list[Frame], dict[tuple[str, str], np.ndarray]]:
    """Second pass: the frames with their pictures, in the drafts' order, and if asked one embedding per clip."""
    if not drafts:
        return [], {}
    by_number: dict[int, list[int]] = {}
    best: dict[tuple[str, str], int] = {}
    for index, draft in enumerate(drafts):
        frame = draft.frame
        by_number.setdefault(frame.frame, []).append(index)
        leader = best.setdefault((frame.person, frame.clip), index)
        if frame.quality > drafts[leader].frame.quality:
            best[frame.person, frame.clip] = index
    frames: dict[int, Frame] = {}
    embeddings: dict[tuple[str, str], np.ndarray] = {}
    first = min(by_number)
    while kept := progress.load(f"pictures{first}", _Pictures):
        first, embeddings = kept.following, kept.embeddings
        frames |= kept.frames
    for picture in decode.read(segment.source, range(first, max(by_number) + 1), most=settings.max_pixels):
        if picture.number - first >= progress.every:
            some = {index: frame for index, frame in frames.items() if frame.frame >= first}
            progress.save(f"pictures{first}", _Pictures(picture.number, some, embeddings))
            first = picture.number
        for index in by_number.get(picture.number, []):
            frame = drafts[index].frame
            image = crop.cut(picture.pixels, frame.box, settings.size)  # (3S/2, 3S/2, 3)
            mask = parts.draw(frame.landmarks, settings.size)  # (S, S)
            frames[index] = replace(frame, image=_png(image[..., ::-1]), parts=_png(mask))
            if every_face and best[frame.person, frame.clip] == index:
                embed = _network("embedding", people.NETWORK)
                embeddings[frame.person, frame.clip] = embed(picture.pixels, drafts[index].landmarks)
    return [frames[index] for index in sorted(frames)], embeddings


def _png(picture: np.ndarray) -> bytes:
    return cv2.imencode(".png", picture, PNG)[1].tobytes()


@functools.lru_cache(maxsize=4)
def _digest(paths: tuple[Path, ...]) -> str:
    """Hex SHA-256 of one file; of several, of their hashes."""
    for path in paths:
        check(path)
    if len(paths) == 1:
        return sha256(paths[0])
    return hashlib.sha256("".join(sha256(path) for path in paths).encode()).hexdigest()


@functools.cache
def _network(role: str, name: str) -> Any:
    return registry.find(role, name).load()
