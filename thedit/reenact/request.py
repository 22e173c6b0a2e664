"""What a user asks for, and everything about it that can be known to fail before the work begins."""

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch

from thedit.errors import UserError
from thedit.media.files import PICTURES
from thedit.methods.base import Method
from thedit.reenact.camera import View
from thedit.reenact.motion import Transfer

SAVED = frozenset({".png", ".jpg", ".jpeg", ".webp"}) & PICTURES  # of a single frame


@dataclass(frozen=True)
class Request:
    """All that `thedit.reenact.pipeline.reenact` needs to know; the fields are the options of `thedit reenact`."""

    sources: list[Path]
    driving: Path
    out: Path
    weights: Path
    same_person: bool = False
    source_frame: int | None = None
    view: View = field(default_factory=View)
    transfer: Transfer = field(default_factory=Transfer)
    show: Literal["square", "side-by-side", "whole"] = "square"
    size: int | None = None
    sound: bool = True
    detector: str = "dlib-hog"
    device: str = "auto"
    force: bool = False

    def filmed(self, frames: int) -> bool:
        """Whether a source of so many frames is animated frame by frame: a video whose heads go back into it."""
        return self.show == "whole" and frames > 1 and self.source_frame is None and not self.same_person

    def outputs(self) -> list[Path]:
        """The file of each result: ``out``, or with several people one in the folder ``out`` for each."""
        if len(self.sources) == 1 or self.same_person:
            return [self.out]
        names: dict[str, str] = {}  # by what some file systems take for the same
        for source in self.sources:
            name, number = source.stem, 2
            while name.lower() in names:
                name, number = f"{source.stem}-{number}", number + 1
            names[name.lower()] = name
        return [self.out / f"{name}.mp4" for name in names.values()]


def check_files(request: Request, frames: int) -> None:
    """Whether the results can be written, of a driver of so many frames; else `UserError`."""
    outputs = request.outputs()
    if len(outputs) > 1 and request.out.suffix.lower() in {*SAVED, ".mp4"}:
        raise UserError(f"{request.out}: is one file for {len(outputs)} people; name a folder, or say --same-person.")
    for path in outputs:
        suffix = path.suffix.lower()
        if suffix in SAVED and frames > 1:
            raise UserError(f"{path}: is one picture, but the driver has {frames} frames; let the name end in .mp4.")
        if suffix != ".mp4" and suffix not in SAVED:
            raise UserError(f"{path}: the video is written as MP4; let the name end in .mp4.")
        if any(
            path.exists() and given.exists() and path.samefile(given) for given in (*request.sources, request.driving)
        ):
            raise UserError(f"{path}: is an input; choose another name.")
        if path.exists() and not request.force:
            raise UserError(f"{path}: is there already; choose another name, or replace it with --force.")
        _check_folder(path)


def check_method(request: Request, method: Method, name: str) -> None:
    """Whether the method can do what is asked; else `UserError`. ``name`` is how the weights are called."""
    view, transfer = request.view, request.transfer
    if view.moves and not method.camera_control:
        raise UserError(
            f"{name}: this method shows the driver's view alone; leave out --camera, --yaw, --pitch, --orbit and "
            "--whole, or use weights of a method with a camera, such as planedict."
        )
    if transfer.what != "all" and not method.camera_control:
        raise UserError(f"{name}: this method moves pose and expression together; leave out --motion.")
    if transfer.mixes and not method.linear:
        raise UserError(
            f"{name}: the motion of this method is no linear code; leave out --strength and --relative, "
            "or use weights of a method with bases, such as planedict."
        )
    if request.size is not None and not method.any_size:
        raise UserError(f"{name}: this method makes pictures of one size; leave out --size.")
    if request.same_person and len(request.sources) > 1 and not method.several:
        raise UserError(f"{name}: this method takes one picture of a person; leave out --same-person.")
    if request.show == "whole" and view.framing == "driver":
        raise UserError("--whole puts the head back where the source has it; leave out --camera driver.")


def device(name: str) -> torch.device:
    """The device called ``name``; ``auto`` is the GPU if there is one. `UserError` for one that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(name)
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"--device {name}: is not there; this machine has {_devices()}.") from error
    return found


def _devices() -> str:
    return ", ".join(["cpu", *(f"cuda:{n}" for n in range(torch.cuda.device_count()))])


def _check_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, trial = tempfile.mkstemp(prefix=".thedit-", dir=path.parent)
        os.close(descriptor)
        os.unlink(trial)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); choose another folder.") from error
