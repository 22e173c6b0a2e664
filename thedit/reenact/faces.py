"""Pictures as a stream to labelled faces as a stream: the same networks and fits as in preprocessing, without shards.

A face is smoothed with what comes just after it, so that pictures wait in a queue until `MARGIN` more have been seen.
Identity, distance and crop of a head are found in the first pictures of a shot and kept, so that nothing jumps later.
"""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
import torch

from thedit import camera
from thedit.config import Preprocess
from thedit.faces import registry
from thedit.media.videos import Picture
from thedit.shards.batch import FrameBatch, centre
from thedit.video import clips, crop, parts, pose
from thedit.video.boxes import spread
from thedit.video.shots import Shots
from thedit.video.smooth import FACE, frame_rate, smooth
from thedit.video.track import Track, Tracker

STRETCH = 32  # pictures that are labelled together
MARGIN = 8  # pictures before and after them that their smoothing looks at
ANALYSED = 1280  # longer side of the picture in which faces are searched
LONGEST = 1920  # longer side of the pictures that crops are cut from


@dataclass(frozen=True)
class Face:
    """The main face of one picture; where there is none that can be used, ``reason`` says why.

    number, time  of the picture, in seconds from the first
    around        (3S/2, 3S/2, 3) uint8, the crop with a quarter of its side more all around
    labels        camera, landmarks, expression and identity of a `FrameBatch` (1), the camera that of the crop
    box           left, top, side of the crop in pixels of the upright picture
    quality       how good a source it is, in [0, 1]
    shot          number of the shot, from 0
    place         which of how many faces of the picture it is, from the left, from 1; small ones do not count

    Many faces wait in queues, so that what follows from these is made when it is asked for.
    """

    number: int
    time: float
    reason: str = ""
    around: np.ndarray | None = None
    labels: dict[str, torch.Tensor] = field(default_factory=dict)
    box: np.ndarray | None = None
    quality: float = 0.0
    shot: int = 0
    place: tuple[int, int] = (1, 1)

    @property
    def usable(self) -> bool:
        """Whether there is a face that can be used."""
        return self.around is not None

    @property
    def crop(self) -> np.ndarray:
        """(S, S, 3) uint8 of a face that can be used."""
        assert self.around is not None
        margin = len(self.around) // 6
        return self.around[margin:-margin, margin:-margin]

    @property
    def frame(self) -> FrameBatch:
        """(1) what a method is given of a face that can be used."""
        assert self.around is not None
        wide = torch.from_numpy(self.around).permute(2, 0, 1)[None].float() / 127.5 - 1
        image = centre(wide).contiguous()
        drawn = torch.from_numpy(parts.draw(self.labels["landmarks"][0].numpy(), image.shape[-1]))[None, None]
        given = {name: value.float() for name, value in self.labels.items()}
        return FrameBatch(
            image, drawn, given["camera"], given["landmarks"], given["expression"], given["identity"], wide
        )


@dataclass
class _Seen:
    """A picture that waits for its label; ``pixels`` are dropped afterwards."""

    number: int
    time: float
    shot: int
    pixels: np.ndarray | None
    scale: float
    size: tuple[int, int]


def follow(pictures: Iterable[Picture], settings: Preprocess) -> Iterator[Face]:
    """A face for each picture, in order; pictures at most `LONGEST` pixels long."""
    follower = _Follower(settings)
    for picture in pictures:
        follower.see(picture)
        if len(follower.waiting) == STRETCH + MARGIN:
            yield from follower.label(STRETCH)
    yield from follower.label(len(follower.waiting))


class _Follower:
    def __init__(self, settings: Preprocess):
        self.settings = settings
        detector = network("detector", settings.detector)
        landmarker, pose_landmarker = (network("landmarks", name) for name in (settings.landmarks, settings.pose))
        self._tracker = Tracker(detector, landmarker, pose_landmarker, settings.min_face)
        self._shots, self._shot = Shots(), 0
        self._before: list[_Seen] = []  # labelled already, for smoothing alone
        self.waiting: list[_Seen] = []
        self._main: Track | None = None
        self._head: tuple[int, pose.Head] | None = None  # of which shot

    def see(self, picture: Picture) -> None:
        """Find the faces of the next picture."""
        height, width = picture.pixels.shape[:2]
        size = round(width / picture.scale), round(height / picture.scale)
        if self._shots(picture.pixels) or (self.waiting and self.waiting[-1].size != size):
            self._tracker.cut()
            self._shot += 1
        self._tracker.add(_smaller(picture))
        self.waiting.append(_Seen(picture.number, picture.time, self._shot, picture.pixels, picture.scale, size))

    def label(self, count: int) -> Iterator[Face]:
        """Label the ``count`` pictures that have waited longest."""
        window, wanted = self._before + self.waiting, self.waiting[:count]
        labelled: dict[int, Face] = {}
        for clip in self._clips(window):
            labelled |= self._fit(clip, {seen.number: seen for seen in window}, {seen.number for seen in wanted})
        for seen in wanted:
            yield labelled.get(seen.number, Face(seen.number, seen.time, "no face found", shot=seen.shot))
            seen.pixels = None
        self._before, self.waiting = window[: len(self._before) + count][-MARGIN:], self.waiting[count:]
        self._forget()

    def _clips(self, window: list[_Seen]) -> list[clips.Clip]:
        """The main face of each shot of the window: the one that was, else the one that fills most of it."""
        shots = {seen.number: seen.shot for seen in window}
        ordered = sorted(self._tracker.tracks, key=lambda track: (track is not self._main, -track.area))
        chosen: dict[int, list[Track]] = {}
        taken: set[int] = set()
        for track in ordered:
            if track.frames and taken.isdisjoint(track.frames) and track.frames[-1] in shots:
                taken.update(track.frames)
                chosen.setdefault(shots[track.frames[-1]], []).append(track)
        found = [clips.join(chosen[shot]) for shot in sorted(chosen)]
        if chosen:
            self._main = max(chosen[max(chosen)], key=lambda track: track.frames[-1])
        return found

    def _fit(self, clip: clips.Clip, window: dict[int, _Seen], wanted: set[int]) -> dict[int, Face]:
        """Faces of the pictures ``wanted`` of a clip; where the face leaves the crop, the rest gets another one."""
        first = window[int(clip.frames[-1])]
        rate = frame_rate({number: seen.time for number, seen in window.items() if seen.shot == first.shot})
        landmarks = smooth(clip.landmarks, clip.frames, rate, FACE)
        pose_landmarks = smooth(clip.pose_landmarks, clip.frames, rate, FACE)
        head = self._head[1] if self._head and self._head[0] == first.shot else None
        try:
            posed = pose.fit(landmarks, pose_landmarks, clip.frames, rate, *first.size, self.settings, head)
        except (np.linalg.LinAlgError, torch.linalg.LinAlgError):
            return {
                number: Face(number, window[number].time, "landmarks fit no head")
                for number in wanted & set(clip.frames.tolist())
            }
        self._head = first.shot, posed.head
        angles = camera.angles(torch.from_numpy(posed.cameras[:, :16]).unflatten(1, (4, 4))).numpy()  # (T, 3)
        reasons = clips.flaws(clip, *first.size, angles[:, 0], posed.landmarks, posed.fit.error.numpy(), self.settings)
        faces: dict[int, Face] = {}
        for row, number in enumerate(clip.frames.tolist()):
            if number not in wanted:
                continue
            if head is not None and reasons[row] == clips.OUTSIDE_CROP:
                self._head = None
                return faces | self._fit(clips.rows(clip, slice(row, None)), window, wanted)
            face = self._cut(window[number], posed, row, angles[row], float(clip.sharpness[row]), reasons[row])
            faces[number] = replace(face, place=self._place(number, clip.landmarks[row]))
        return faces

    def _cut(self, seen: _Seen, posed: pose.Posed, row: int, angles: np.ndarray, sharpness: float, reason: str) -> Face:
        size, box = self.settings.size, posed.boxes[row]
        assert seen.pixels is not None
        if reason:
            return Face(seen.number, seen.time, reason, shot=seen.shot)
        around = crop.cut(seen.pixels, np.round(box * seen.scale), size)
        within = posed.landmarks[row]
        labels = {
            "camera": torch.from_numpy(posed.cameras[row])[None],
            "landmarks": torch.from_numpy(within)[None],
            "expression": posed.fit.expression[row][None],
            "identity": posed.fit.identity[row][None],
        }
        quality = clips.quality(within, sharpness, angles, float(box[2]) / size)
        return Face(seen.number, seen.time, "", around, labels, box, quality, seen.shot)

    def _place(self, number: int, landmarks: np.ndarray) -> tuple[int, int]:
        """Which of how many faces of a picture, from the left, has these landmarks (68, 2); small ones do not count."""
        tracks = [track for track in self._tracker.tracks if number in track.frames]
        there = [track.landmarks[track.frames.index(number)] for track in tracks]
        counted = [points for points in there if spread(points) >= spread(landmarks) / 2]
        return 1 + sum(points[:, 0].mean() < landmarks[:, 0].mean() for points in counted), len(counted)

    def _forget(self) -> None:
        """Drop what no later label looks at, so that memory does not grow."""
        oldest = (self._before + self.waiting)[0].number if self._before or self.waiting else 0
        for track in self._tracker.tracks:
            stale = sum(number < oldest for number in track.frames[:-1])
            for values in (track.frames, track.landmarks, track.pose_landmarks, track.sharpness):
                del values[:stale]
        tracks, active, since = self._tracker.state
        kept = [n for n, track in enumerate(tracks) if n in active or track.frames[-1] >= oldest]
        self._tracker.state = [tracks[n] for n in kept], [kept.index(n) for n in active], since


def _smaller(picture: Picture) -> Picture:
    """A picture in which faces are searched."""
    height, width = picture.pixels.shape[:2]
    if max(width, height) <= ANALYSED:
        return picture
    small = round(width * ANALYSED / max(width, height))
    scale = small / width
    pixels = cv2.resize(picture.pixels, (small, round(height * scale)), interpolation=cv2.INTER_AREA)
    return Picture(picture.number, picture.time, pixels, picture.scale * scale)


@functools.cache
def network(role: str, name: str) -> Any:
    """The face network ``name``, loaded once; `UserError` when there is none or its weights are missing."""
    return registry.find(role, name).load()
