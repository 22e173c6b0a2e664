"""What the page can do, without the page: animate a portrait, and show it at once as sliders say."""

import functools
import itertools
import shutil
import threading
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

from thedit.config import Preprocess
from thedit.errors import UserError
from thedit.media import stream
from thedit.methods import trained
from thedit.reenact import request as asked
from thedit.reenact.camera import View
from thedit.reenact.driver import Driver
from thedit.reenact.faces import LONGEST, Face, follow
from thedit.reenact.motion import Transfer
from thedit.reenact.picture import Painter
from thedit.reenact.pipeline import Made, reenact
from thedit.reenact.request import Request
from thedit.reenact.source import load, readable

MOST_BASES = 24  # sliders


class Studio:
    """Methods by name, each loaded once; one visitor's wish at a time, since they share the machine.

    ``folder`` holds what is made, a folder for each visitor, until `forget`.
    """

    def __init__(self, weights: dict[str, Path], folder: Path, device: str, most_seconds: float):
        self.device, self.folder, self.most_seconds = asked.device(device), folder, most_seconds
        self.weights = weights
        self.methods = {name: trained.load(path) for name, path in weights.items()}
        for method, _ in self.methods.values():
            method.to(self.device)
        self._lock, self._numbers = threading.Lock(), itertools.count()
        self._seen: dict[str, set[Path]] = defaultdict(set)
        self._painter = functools.lru_cache(maxsize=4)(self._prepare)
        self._moment = functools.lru_cache(maxsize=16)(self._face)

    def bases(self, name: str) -> int:
        """How many plane bases of a method have sliders."""
        method, _ = self.methods[name]
        options = getattr(method, "options", None)
        count = options.bases if options is not None and options.dictionary else 0
        return min(count, MOST_BASES)

    def animate(
        self, visitor: str, name: str, portrait: Path, driving: Path, transfer: Transfer, view: View, side_by_side: bool
    ) -> Made:
        """A video of the portrait moving as the driver does, with the driver's sound. Raises `UserError`."""
        self._note(visitor, portrait, driving)
        driver = Driver(driving)
        seconds = len(driver) / driver.rate
        if seconds > self.most_seconds:
            raise UserError(f"the video lasts {seconds:.1f} s; this page takes up to {self.most_seconds:g}, cut it.")
        out = self.folder / visitor / f"result-{next(self._numbers)}.mp4"  # a browser keeps what had the same name
        request = Request(
            [portrait],
            driving,
            out,
            self.weights[name],
            view=view,
            transfer=transfer,
            show="side-by-side" if side_by_side else "square",
            device=str(self.device),
            force=True,
        )
        with self._lock:
            made = reenact(request, self.methods[name])
        for earlier in set(out.parent.iterdir()) - {out}:
            earlier.unlink(missing_ok=True)
        return made

    def still(
        self,
        visitor: str,
        name: str,
        portrait: Path,
        driving: Path | None,
        moment: float,
        strength: float,
        yaw: float,
        pitch: float,
        shifts: list[float],
    ) -> np.ndarray:
        """The portrait (S, S, 3) uint8 from an angle, with the driver's expression at a ``moment`` in [0, 1].

        ``shifts`` move it along the plane bases, in root mean squares of its own factors. Raises `UserError`.
        """
        self._note(visitor, portrait, *([driving] if driving else []))
        method, _ = self.methods[name]
        with self._lock:
            painter = self._painter(name, portrait)
            face = self._moment(name, driving or portrait, moment if driving else 0.0)
            view = View("source", yaw, pitch) if method.camera_control else View()
            amounts = None
            if any(shifts):
                scale = painter.mover.scale.cpu()
                amounts = torch.zeros(len(scale))
                amounts[: len(shifts)] = torch.tensor(shifts)[: len(scale)]
                amounts *= scale
            return painter(face, Transfer(strength=strength if method.linear else 1.0), view, amounts)

    def forget(self, visitor: str) -> None:
        """Delete what a visitor brought and what was made of it."""
        theirs = self._seen.pop(visitor, set())
        for path in theirs.difference(*self._seen.values()):  # equal uploads of several visitors are one file
            path.unlink(missing_ok=True)
        shutil.rmtree(self.folder / visitor, ignore_errors=True)
        self._painter.cache_clear()
        self._moment.cache_clear()

    def _note(self, visitor: str, *paths: Path) -> None:
        """Remember which files below the studio's folder a visitor brought; examples are nobody's."""
        self._seen[visitor].update(path for path in paths if self.folder in path.parents)

    def _prepare(self, name: str, portrait: Path) -> Painter:
        method, settings = self.methods[name]
        found = load(portrait, settings)
        if objection := method.objections(found.frame)[0] or found.doubt:
            raise UserError(f"{portrait.name}: {objection}; choose another picture.")
        return Painter(method, found.frame, found.frame)

    def _face(self, name: str, driving: Path, moment: float) -> Face:
        """The driver's face at a moment; the nearest frames are tried too."""
        settings: Preprocess = self.methods[name][1]
        count = len(Driver(driving))
        number = min(count - 1, round(moment * (count - 1)))
        with readable(driving):
            pictures = stream.read([driving], range(number, min(count, number + 5)), LONGEST)
            for face in follow(pictures, settings):
                if face.usable:
                    return face
        raise UserError(f"{driving.name}: shows no face at that moment; choose another.")


def of_run(folder: Path) -> dict[str, Path]:
    """The weights of every method of a run's folder, by name; `UserError` when there are none."""
    found = {path.parent.name: path for path in sorted(folder.glob("methods/*/weights.safetensors"))}
    if not found:
        raise UserError(f"{folder}: holds no methods/*/weights.safetensors; name the folder of a run under results/.")
    return found


def by_name(weights: list[Path]) -> dict[str, Path]:
    """Weights by what they are called in the page; those of the same name by their paths."""
    names = [path.parent.name if path.stem == "weights" else path.stem for path in weights]
    return {name if names.count(name) == 1 else str(path): path for name, path in zip(names, weights)}
