"""From a request to files: source, driver, camera, motion, picture, composition, subject, file."""

import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from thedit import provenance
from thedit.config import Preprocess
from thedit.errors import UserError
from thedit.evaluation.cost import peak_bytes
from thedit.media import stream
from thedit.methods import trained
from thedit.methods.base import Method
from thedit.reenact import composition
from thedit.reenact import request as asked
from thedit.reenact.camera import PERIOD
from thedit.reenact.composition import Composition, Whole
from thedit.reenact.driver import Driver
from thedit.reenact.faces import STRETCH, Face, network
from thedit.reenact.file import Photograph, Video, video
from thedit.reenact.picture import Painter, ahead, in_order, workers
from thedit.reenact.request import Request
from thedit.reenact.source import Portrait, load, readable, remedy
from thedit.reenact.subject import Film, Filmed, Moment, Paint, Still, together
from thedit.shards.combine import combine


@dataclass
class Made:
    """What was made and what it cost.

    ``frames`` of each of the files ``paths``; how many of them repeat another one, by the reason why; what is to be
    known about the sources; ``seconds`` in all; ``peak_mib``: the largest memory, of the GPU if one is used.
    """

    paths: list[Path]
    frames: int = 0
    repeated: Counter[str] = field(default_factory=Counter)
    remarks: list[str] = field(default_factory=list)
    seconds: float = 0.0
    peak_mib: float = 0.0
    device: str = ""


def reenact(request: Request, loaded: tuple[Method, Preprocess] | None = None) -> Made:
    """Write what ``request`` asks for, with its weights, or the method that was ``loaded`` from them before.

    Raises `UserError` for what cannot be used, as early as it can be known.
    """
    start = time.perf_counter()
    driver = Driver(request.driving)
    lengths = [_length(path) for path in request.sources]
    asked.check_files(request, len(driver))
    device = asked.device(request.device)
    method, settings = loaded or trained.load(request.weights)
    asked.check_method(request, method, str(request.weights))
    settings = settings.model_copy(update={"detector": request.detector})
    network("detector", settings.detector)  # whose weights may be missing

    sized = settings.model_copy(update={"size": request.size or settings.size})
    sources: list[Portrait | Film] = [
        Film(path, sized) if request.filmed(length) else load(path, sized, request.source_frame)
        for path, length in zip(request.sources, lengths)
    ]
    portraits = [source for source in sources if isinstance(source, Portrait)]
    for portrait in portraits:
        if objection := method.objections(portrait.frame)[0] or portrait.doubt:
            raise UserError(f"{portrait.path}: {objection}; choose another picture.")
    made = Made(request.outputs(), remarks=[f"{p.path}: {text}" for p in portraits for text in p.remarks])
    films = [source if isinstance(source, Film) else None for source in sources]
    with closing(ahead(together(_driving(request, driver, settings), films), 2 * STRETCH)) as moments:
        _animate(request, driver, moments, method.to(device), sources, made)
    made.remarks += [f"{film.path}: {text}" for film in films if film for text in film.remarks(driver)]

    made.seconds, made.peak_mib = time.perf_counter() - start, peak_bytes(device.type) / 2**20
    made.device = (
        provenance.device() if device.type == "cuda" else f"{provenance.processor()}, {workers(device)} threads"
    )
    return made


def _animate(
    request: Request,
    driver: Driver,
    moments: Iterator[Moment],
    method: Method,
    sources: list[Portrait | Film],
    made: Made,
) -> None:
    """Pictures of every source, and files for the driver's faces, several frames at once."""
    before, first = _first_usable(moments, driver.path)
    subjects = _subjects(request, method, sources, first[0])

    def painters() -> Iterator[tuple[Face, list[Paint | None]]]:
        for face, own in chain([first], moments):
            yield face, [subject.at(shown) for subject, shown in zip(subjects, own)]

    def paint(moment: tuple[Face, list[Paint | None]]) -> tuple[Face, list[np.ndarray | None]]:
        face, made_by = moment
        return face, [make(face) if make else None for make in made_by] if face.usable else []

    device = next((parameter.device for parameter in method.parameters()), torch.device("cpu"))
    with ExitStack() as files, tqdm(total=len(driver), desc="reenact", unit="frame") as bar:
        lasts = [source.seconds if isinstance(source, Film) else math.inf for source in sources]
        videos = [files.enter_context(_file(*one, driver, request.sound)) for one in zip(made.paths, lasts)]
        shown: list[np.ndarray | None] = []
        crowd = 1
        for face, pictures in in_order(paint, painters(), workers(device)):
            crowd = max(crowd, face.place[1])
            shown = pictures or shown  # a frame without a usable face repeats the one before
            for one in [*before, face]:  # and those before the first face show what it shows
                for file, picture in zip(videos, shown):
                    if picture is not None:
                        file.add(picture, one.time)
                made.frames += 1
                made.repeated.update([one.reason.partition(" (")[0]] if one.reason else [])
                bar.update()
            before = []
        bar.total = bar.n  # frames that do not decode are not there, and films may be over
    if crowd > 1:
        made.remarks.append(
            f"{driver.path}: shows up to {crowd} faces; the one that fills most of it drives; crop it to choose another"
        )


def _subjects(request: Request, method: Method, sources: list[Portrait | Film], first: Face) -> list[Still | Filmed]:
    """Who is animated, for every file: each source, or the one person whom all of them show."""
    if request.same_person:
        portraits = [source for source in sources if isinstance(source, Portrait)]
        frames = combine(lambda *values: torch.cat(values), *(portrait.frame for portrait in portraits))
        return [Still(Painter(method, frames, first.frame), _composition(request, portraits[0]), request)]
    return [
        Filmed(source, method, first, request)
        if isinstance(source, Film)
        else Still(Painter(method, source.frame, first.frame), _composition(request, source), request)
        for source in sources
    ]


def _driving(request: Request, driver: Driver, settings: Preprocess) -> Iterator[Face]:
    """The driver's faces; of a picture that is seen in an orbit, as many as a turn takes."""
    faces = driver.faces(settings)
    if len(driver) > 1 or not request.view.orbit:
        return faces
    count = round(PERIOD * driver.rate)
    return (replace(face, number=n, time=n / driver.rate) for face in faces for n in range(count))


def _first_usable(moments: Iterator[Moment], path: Path) -> tuple[list[Face], Moment]:
    """The driver's faces before the first one that can be used, and the moment of that; `UserError` without any."""
    before: list[Face] = []
    for face, own in moments:
        if face.usable:
            return before, (face, own)
        before.append(face)
    reasons = Counter(face.reason.partition(" (")[0] for face in before) or {"no frame decodes": 1}
    hint = remedy("no face found") if "no face found" in reasons else ""
    raise UserError(f"{path}: {', '.join(reasons)}; choose another file{hint}.")


def _length(path: Path) -> int:
    """How many frames a source has; `UserError` for a file that cannot be read."""
    with readable(path):
        return len(stream.timeline([path]).ticks)


def _composition(request: Request, portrait: Portrait) -> Composition:
    if request.show == "whole":
        return Whole(portrait.picture(), portrait.box, portrait.frame.landmarks[0].numpy())
    return composition.square if request.show == "square" else composition.side_by_side(portrait.crop)


@contextmanager
def _file(path: Path, seconds: float, driver: Driver, sound: bool) -> Iterator[Video | Photograph]:
    """A file for frames that are shown when the driver's are, of at most so many ``seconds``."""
    if path.suffix.lower() in asked.SAVED:
        yield Photograph(path)
    else:
        with video(path, driver.rate, driver.path if sound else None, driver.start, seconds) as file:
            yield file
