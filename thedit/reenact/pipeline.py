"""From a request to files: source, driver, camera, motion, picture, composition, file."""

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
from thedit.reenact.file import Still, Video, video
from thedit.reenact.picture import Painter, ahead, in_order, workers
from thedit.reenact.request import Request
from thedit.reenact.source import Portrait, load, readable, remedy
from thedit.shards.batch import FrameBatch
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
    for path in request.sources:
        with readable(path):
            stream.timeline([path])
    asked.check_files(request, len(driver))
    device = asked.device(request.device)
    method, settings = loaded or trained.load(request.weights)
    asked.check_method(request, method, str(request.weights))
    settings = settings.model_copy(update={"detector": request.detector})
    network("detector", settings.detector)  # whose weights may be missing

    sized = settings.model_copy(update={"size": request.size or settings.size})
    portraits = [load(path, sized, request.source_frame) for path in request.sources]
    for portrait in portraits:
        if objection := method.objections(portrait.frame)[0]:
            raise UserError(f"{portrait.path}: {objection}; choose another picture.")
    made = Made(request.outputs(), remarks=[f"{p.path}: {text}" for p in portraits for text in p.remarks])
    with closing(ahead(_driving(request, driver, settings), 2 * STRETCH)) as faces:
        _animate(request, driver, faces, method.to(device), portraits, made)

    made.seconds, made.peak_mib = time.perf_counter() - start, peak_bytes(device.type) / 2**20
    made.device = (
        provenance.device() if device.type == "cuda" else f"{provenance.processor()}, {workers(device)} threads"
    )
    return made


def _animate(
    request: Request, driver: Driver, faces: Iterator[Face], method: Method, portraits: list[Portrait], made: Made
) -> None:
    """Pictures of every source, compositions and files for the driver's faces, several frames at once."""
    before, first = _first_usable(faces, driver.path)
    people = _people(request, portraits)
    painters = [Painter(method, person, first) for person in people]
    compositions = [_composition(request, portrait) for portrait in portraits[: len(people)]]

    def paint(face: Face) -> tuple[Face, list[np.ndarray]]:
        if face.crop is None:
            return face, []
        results = (painter(face, request.transfer, request.view) for painter in painters)
        return face, [compose(face.crop, result) for compose, result in zip(compositions, results)]

    count = workers(painters[0].device)
    with ExitStack() as files, tqdm(total=len(driver), desc="reenact", unit="frame") as bar:
        videos = [files.enter_context(_file(path, driver, request.sound)) for path in made.paths]
        shown: list[np.ndarray] = []
        for face, pictures in in_order(paint, chain([first], faces), count):
            shown = pictures or shown  # a frame without a usable face repeats the one before
            for one in [*before, face]:  # and those before the first face show what it shows
                for file, picture in zip(videos, shown):
                    file.add(picture, one.time)
                made.frames += 1
                made.repeated.update([one.reason.partition(" (")[0]] if one.reason else [])
                bar.update()
            before = []
        bar.total = bar.n  # frames that do not decode are not there


def _driving(request: Request, driver: Driver, settings: Preprocess) -> Iterator[Face]:
    """The driver's faces; of a picture that is seen in an orbit, as many as a turn takes."""
    faces = driver.faces(settings)
    if len(driver) > 1 or not request.view.orbit:
        return faces
    count = round(PERIOD * driver.rate)
    return (replace(face, number=n, time=n / driver.rate) for face in faces for n in range(count))


def _first_usable(faces: Iterator[Face], path: Path) -> tuple[list[Face], Face]:
    """The faces before the first one that can be used, and that one; `UserError` when there is none."""
    before: list[Face] = []
    for face in faces:
        if face.frame is not None:
            return before, face
        before.append(face)
    reasons = Counter(face.reason.partition(" (")[0] for face in before) or {"no frame decodes": 1}
    hint = remedy("no face found") if "no face found" in reasons else ""
    raise UserError(f"{path}: {', '.join(reasons)}; choose another file{hint}.")


def _people(request: Request, portraits: list[Portrait]) -> list[FrameBatch]:
    """The frames of each person: one, or all of them of the one person whom they show."""
    frames = [portrait.frame for portrait in portraits]
    if not request.same_person:
        return frames
    return [combine(lambda *values: torch.cat(values), *frames)]


def _composition(request: Request, portrait: Portrait) -> Composition:
    if request.show == "whole":
        return Whole(portrait.picture(), portrait.box, portrait.frame.landmarks[0].numpy())
    return composition.square if request.show == "square" else composition.side_by_side(portrait.crop)


@contextmanager
def _file(path: Path, driver: Driver, sound: bool) -> Iterator[Video | Still]:
    """A file for frames that are shown when the driver's are."""
    if path.suffix.lower() in asked.SAVED:
        yield Still(path)
    else:
        with video(path, driver.rate, driver.path if sound else None, driver.start) as file:
            yield file
