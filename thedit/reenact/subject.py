"""Subject: who is animated, and what makes of a driver's face the picture that is shown.

A portrait is one person in one picture. A film is a video whose person is animated where each of its frames has the
head: every frame is a source of its own, and its surroundings go on.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from thedit.config import Preprocess
from thedit.errors import UserError
from thedit.media import stream
from thedit.media.videos import Picture
from thedit.methods.base import Method
from thedit.reenact.composition import Composition, Whole, even
from thedit.reenact.driver import Driver
from thedit.reenact.faces import LONGEST, Face, follow
from thedit.reenact.picture import Painter
from thedit.reenact.request import Request
from thedit.reenact.source import readable, remedy

Paint = Callable[[Face], np.ndarray]
"""A driver's face that can be used -> the picture (H, W, 3) uint8 to be shown."""

Moment = tuple[Face, list[Face | None]]
"""A driver's face, and for each source the one that its film shows then: None without a film, or when it is over."""


class Still:
    """Somebody in one picture, whatever the time."""

    def __init__(self, painter: Painter, compose: Composition, request: Request):
        self._painter, self._compose, self._request = painter, compose, request

    def at(self, own: Face | None) -> Paint:
        """What makes the pictures, always the same."""
        return self._paint

    def _paint(self, face: Face) -> np.ndarray:
        return self._compose(face.crop, self._painter(face, self._request.transfer, self._request.view))


class Film:
    """A source video whose frames are animated one by one.

    seconds    that it lasts
    untouched  how many of the frames that were asked for are shown as they are, by the reason why
    crowd      the most faces that one of these frames shows

    Raises `UserError` for a file that cannot be read or shows nobody who can be used.
    """

    def __init__(self, path: Path, settings: Preprocess):
        self.path, self._settings = path, settings
        with readable(path):
            line = stream.timeline([path])
        self._frames = range(len(line.ticks))
        self.seconds = line.seconds(-1) * len(line.ticks) / (len(line.ticks) - 1)
        self.untouched: Counter[str] = Counter()
        self.crowd = 1
        reasons: Counter[str] = Counter()
        for face in self.faces():
            if face.usable:
                return
            reasons[face.reason.partition(" (")[0]] += 1
        hint = remedy("no face found") if "no face found" in reasons else ""
        raise UserError(f"{path}: {', '.join(reasons) or 'no frame decodes'}; choose another file{hint}.")

    def faces(self) -> Iterator[Face]:
        """The person's face in every frame that decodes, in order."""
        with readable(self.path):
            yield from follow(stream.read([self.path], self._frames, LONGEST), self._settings)

    def remarks(self, driver: Driver) -> Iterator[str]:
        """What a user should know about what became of the film."""
        if self.seconds < len(driver) / driver.rate - 1e-3:
            yield "ends before the driver, and so does the result"
        for reason, count in self.untouched.items():
            yield f"{count} frames are shown as they are ({reason})"
        if self.crowd > 1:
            yield f"shows up to {self.crowd} faces; the one that fills most of it moves; crop it to choose another"

    def pictures(self) -> Iterator[Picture]:
        """Every frame that decodes, in order, at its own resolution."""
        with readable(self.path):
            yield from stream.read([self.path], self._frames)


class Filmed:
    """Somebody in a film; ``first`` is the driver's first face that can be used."""

    def __init__(self, film: Film, method: Method, first: Face, request: Request):
        self._film, self._method, self._first, self._request = film, method, first.frame, request
        self._pictures = film.pictures()
        self._picture = next(self._pictures)

    def at(self, own: Face | None) -> Paint | None:
        """What makes the pictures while the film shows ``own``, a face not before that of the last call; None after it.

        A frame without a face that can be animated stays as it is.
        """
        if own is None:
            return None
        while self._picture.number < own.number:
            self._picture = next(self._pictures)
        picture = self._picture.pixels
        self._film.crowd = max(self._film.crowd, own.place[1])
        if own.usable and not self._method.objections(own.frame)[0]:
            return lambda face: self._paint(picture, own, face)
        self._film.untouched[own.reason.partition(" (")[0] or "the head is turned too far"] += 1
        return lambda face: even(picture)

    def _paint(self, picture: np.ndarray, own: Face, face: Face) -> np.ndarray:
        assert own.box is not None
        frame = own.frame
        result = Painter(self._method, frame, self._first)(face, self._request.transfer, self._request.view)
        return Whole(picture, own.box, frame.landmarks[0].numpy())(face.crop, result)


def together(faces: Iterator[Face], films: Sequence[Film | None]) -> Iterator[Moment]:
    """The driver's faces with what each film shows at their time; ends when all sources are films and over."""
    reels = [_Reel(film) if film else None for film in films]
    for face in faces:
        shown = [reel.at(face.time) if reel else None for reel in reels]
        if all(reel and own is None for reel, own in zip(reels, shown)):
            return
        yield face, shown


class _Reel:
    """A film's faces as time goes on."""

    def __init__(self, film: Film):
        self._seconds, self._faces = film.seconds, film.faces()
        self._shown, self._next = next(self._faces), next(self._faces, None)

    def at(self, time: float) -> Face | None:
        """The face that is shown at a time, which never goes back; None when the film is over."""
        while self._next is not None and self._next.time <= time + 1e-3:
            self._shown, self._next = self._next, next(self._faces, None)
        return self._shown if time < self._seconds - 1e-3 else None
