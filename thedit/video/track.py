"""Following every face through a stream of pictures: look everywhere now and then, around a known face always."""

from dataclasses import dataclass, field

import cv2
import numpy as np

from thedit.faces.registry import Detector, Landmarker
from thedit.media.videos import Picture
from thedit.video.boxes import box, iou, spread

EVERY = 25  # pictures between two thorough searches of the whole picture
LARGE = 1 / 6  # of the picture's longer side: faces of this size are searched in every picture while none is followed
PATIENCE = 25  # pictures in a row in which the detector may miss a followed face, e.g. one that is turned away
AROUND = 2.2  # side of the neighbourhood that is searched for a followed face, in sides of its box
NEAR = 0.65  # intersection over union above which the last landmarks start the next ones better than the detector's box
OVERLAP = 0.3  # least intersection over union of a detection with the face that it confirms
SAME = 0.7  # intersection over union above which two followed faces are one
LIKENESS = 0.35  # least correlation of a face, while the detector misses it, with its look a picture before
GROWTH = 1.4  # largest change of a face's side from one picture to the next
PATCH = 32
SETTLING = 2


@dataclass
class Track:
    """One face over time: numbers of the frames, and landmarks (68, 2) and sharpness in each.

    pose_landmarks (68, 2) are those that the head is fitted to; both are in pixels of the video.
    """

    frames: list[int] = field(default_factory=list)
    landmarks: list[np.ndarray] = field(default_factory=list)
    pose_landmarks: list[np.ndarray] = field(default_factory=list)
    sharpness: list[float] = field(default_factory=list)
    look: np.ndarray | None = None
    misses: int = 0

    @property
    def area(self) -> float:
        """Sum over the frames of the face's area: how much of the video it is."""
        return float(sum(spread(points) ** 2 for points in self.landmarks))


State = tuple[list[Track], list[int], int]  # of a tracker: tracks, which of them are followed, pictures since a search


class Tracker:
    """Feed it pictures in order with `add`; `tracks` holds every face seen so far.

    Faces are followed by the landmarks of ``landmarker``. Where ``pose_landmarker`` is another network, it starts from
    its own last ones as long as these lie on the face.
    """

    def __init__(self, detector: Detector, landmarker: Landmarker, pose_landmarker: Landmarker, smallest: float):
        self.tracks: list[Track] = []
        self._detector, self._smallest = detector, smallest
        self._landmarker, self._pose_landmarker = landmarker, pose_landmarker
        self._active: list[Track] = []
        self._since = EVERY

    @property
    def state(self) -> State:
        """All that it remembers: another tracker that is given this goes on in the same way."""
        return self.tracks, [_place(track, self.tracks) for track in self._active], self._since

    @state.setter
    def state(self, state: State) -> None:
        self.tracks, active, self._since = state
        self._active = [self.tracks[number] for number in active]

    def cut(self) -> None:
        """A new shot begins: nobody is followed into it."""
        self._active = []
        self._since = EVERY

    def add(self, picture: Picture) -> None:
        """Follow the known faces into ``picture`` and look for new ones when it is time, or when one got lost."""
        followed = [track for track in self._active if self._follow(track, picture)]
        thorough = self._since >= EVERY or len(followed) < len(self._active)
        self._active = followed
        self._since = 1 if thorough else self._since + 1
        if thorough:
            self._detect(picture, self._smallest * picture.scale)
        elif not self._active:
            self._detect(picture, max(self._smallest * picture.scale, LARGE * max(picture.pixels.shape)))
        self._merge()

    def _follow(self, track: Track, picture: Picture) -> bool:
        """Find a known face again near its last place; false when it is lost."""
        last = box(track.landmarks[-1] * picture.scale)
        found = self._around(picture.pixels, last)
        start = last
        if found is None:
            track.misses += 1
            start = last + np.tile(_shift(picture.pixels, last, track.look), 2)
        else:
            track.misses = 0
            if iou(found, last) < NEAR:
                start = found
        points = self._landmarker(picture.pixels, start)
        look = _look(picture.pixels, points)
        side = last[2] - last[0]
        if (
            look is None
            or track.misses > PATIENCE
            or not 1 / GROWTH < (box(points)[2] - box(points)[0]) / side < GROWTH
        ):
            return False
        if found is None and _correlation(look, track.look) < LIKENESS:
            return False
        self._append(track, picture, points, look)
        return True

    def _around(self, pixels: np.ndarray, last: np.ndarray) -> np.ndarray | None:
        """The detection nearest to the box ``last`` in its neighbourhood."""
        side = last[2] - last[0]
        margin = (AROUND - 1) / 2 * side
        left, top = np.maximum(last[:2] - margin, 0).astype(int)
        right, bottom = np.maximum(last[2:] + margin, 0).astype(int)
        region = pixels[top:bottom, left:right]
        if min(region.shape[:2], default=0) < 8:
            return None
        boxes = self._detector(region, 0.75 * side) + np.array([left, top, left, top])
        overlaps = [iou(found, last) for found in boxes]
        return boxes[int(np.argmax(overlaps))] if overlaps and max(overlaps) > OVERLAP else None

    def _detect(self, picture: Picture, smallest: float) -> None:
        """Search the whole picture for faces that are not followed yet."""
        known = [box(track.landmarks[-1] * picture.scale) for track in self._active]
        for new in self._detector(picture.pixels, smallest):
            if any(iou(new, other) > OVERLAP for other in known):
                continue
            points = settled(self._landmarker, picture.pixels, new)
            look = _look(picture.pixels, points)
            if look is not None:
                track = Track()
                self._append(track, picture, points, look)
                self._active.append(track)
                self.tracks.append(track)

    def _append(self, track: Track, picture: Picture, points: np.ndarray, look: np.ndarray) -> None:
        track.frames.append(picture.number)
        track.landmarks.append(points / picture.scale)
        track.sharpness.append(sharpness(picture.pixels, points))
        track.look = look
        if self._pose_landmarker is not self._landmarker:
            here, last = box(points), box((track.pose_landmarks or track.landmarks)[-1] * picture.scale)
            points = self._pose_landmarker(picture.pixels, last if iou(here, last) > NEAR else here)
        track.pose_landmarks.append(points / picture.scale)

    def _merge(self) -> None:
        """When two tracks show one face, the older goes on."""
        kept: list[Track] = []
        for track in sorted(self._active, key=lambda track: track.frames[0]):
            here = box(track.landmarks[-1])
            if all(iou(here, box(other.landmarks[-1])) < SAME for other in kept):
                kept.append(track)
            else:
                for values in (track.frames, track.landmarks, track.pose_landmarks, track.sharpness):
                    values.pop()
        self.tracks = [track for track in self.tracks if track.frames]
        self._active = kept


def settled(landmarker: Landmarker, pixels: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Landmarks (68, 2) of the face in the box ``start`` (4,) of any detector, then of their own box, `SETTLING` times.

    Detectors draw other boxes than `box` does, the more so the further a head is turned. From yunet's alone,
    ``annyheads`` reads 45 and 60 degrees of AnnyHeads as 34 and 40 (medians), from its own boxes as 46 and 59.
    """
    for _ in range(SETTLING):
        start = box(landmarker(pixels, start))
    return landmarker(pixels, start)


def _place(track: Track, tracks: list[Track]) -> int:
    return next(number for number, other in enumerate(tracks) if other is track)


def sharpness(pixels: np.ndarray, landmarks: np.ndarray) -> float:
    """Variance of the Laplacian of the face, grey and scaled to 128 x 128 pixels, without black border."""
    face = _cut(pixels, landmarks)
    if face is None:
        return 0.0
    grey = cv2.resize(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY), (128, 128), interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(grey, cv2.CV_32F).var())


def _cut(pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray | None:
    """The part of the picture inside the face's box; None where less than 8 pixels of it are left."""
    height, width = pixels.shape[:2]
    left, top, right, bottom = box(landmarks).round().astype(int)
    face = pixels[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
    return face if min(face.shape[:2], default=0) >= 8 else None


def _look(pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray | None:
    """The face as a small grey patch (P, P) float."""
    face = _cut(pixels, landmarks)
    if face is None:
        return None
    return cv2.cvtColor(cv2.resize(face, (PATCH, PATCH), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY).astype(
        float
    )


def _shift(pixels: np.ndarray, last: np.ndarray, look: np.ndarray | None) -> np.ndarray:
    """How far (2,) the face that looked like ``look`` in the box ``last`` has moved, by matching the patch."""
    reach = (AROUND - 1) / 2 * (last[2] - last[0])
    wide = round(PATCH * AROUND)
    scale = wide / (last[2] - last[0] + 2 * reach)
    matrix = np.array([[scale, 0, (reach - last[0]) * scale], [0, scale, (reach - last[1]) * scale]])
    view = cv2.warpAffine(pixels, matrix, (wide, wide), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    grey = cv2.cvtColor(view, cv2.COLOR_RGB2GRAY).astype(np.float32)
    scores = cv2.matchTemplate(grey, np.asarray(look, np.float32), cv2.TM_CCOEFF_NORMED)
    _, _, _, (x, y) = cv2.minMaxLoc(scores)
    return np.array([x, y]) / scale - reach


def _correlation(first: np.ndarray, second: np.ndarray | None) -> float:
    """Normalised cross-correlation of two patches, in [-1, 1]; flat patches have none."""
    if second is None:
        return 1.0
    first, second = first - first.mean(), second - second.mean()
    norm = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float((first * second).sum()) / norm if norm > 0 else 0.0
