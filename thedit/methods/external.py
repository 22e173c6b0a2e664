"""Methods that live in an environment of their own: any command that reads pictures from a folder and writes pictures.

For each pair the command finds in its exchange folder

    source.png          the source picture, S x S, RGB
    driving/0000.png    the driving frames, as many as there are pictures to make
    cameras.json        {"source": [25 numbers], "driving": [[25 numbers], ...]}, see `thedit.camera`

and writes ``output/0000.png``, ... (8 bits, RGB, S x S), or ``output/0000.npy`` (S, S, 3, floats in [0, 1]). Its
spec names `External` as the class; the options are the arguments of the constructor.
"""

import contextlib
import json
import os
import shutil
import signal
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from thedit.errors import UserError
from thedit.methods.base import Method
from thedit.pixels import to_uint8
from thedit.processes import die_with_parent
from thedit.shards.batch import FrameBatch

INPUTS = ("source.png", "driving", "cameras.json")


class Frame(NamedTuple):
    """One picture of an external method: (S, S, 3) uint8, or None and the reason why there is none."""

    picture: np.ndarray | None
    reason: str = ""


class Result(NamedTuple):
    """What a run of the command left: a frame for each driving frame, its exit code and its wall time.

    ``exit_code`` is None when the command ran out of time and was ended.
    """

    frames: list[Frame]
    exit_code: int | None
    seconds: float


class External(Method):
    """Runs a command on a folder of pictures.

    command         program and arguments; ``$input`` stands for the exchange folder, ``$size`` for the side S,
                    ``$bridges`` for the folder thedit/methods/bridges, environment variables for their values
    time_limit      seconds for one pair; then the command and all its children are ended
    gpus            how many of the visible GPUs the command may see; with 0 it sees none
    camera_control  whether the command obeys the cameras
    home            folder to run in, environment variables allowed; the exchange folder if not given
    """

    trainable = False

    def __init__(
        self,
        preset: str,
        size: int,
        *,
        command: list[str],
        time_limit: float = 600.0,
        gpus: int = 0,
        camera_control: bool = False,
        home: str | None = None,
    ) -> None:
        super().__init__()
        self.size, self.command, self.time_limit, self.gpus, self.home = size, command, time_limit, gpus, home
        self.camera_control = camera_control  # type: ignore[misc]  # of the command, not of the class

    def encode(self, source: FrameBatch) -> FrameBatch:
        """The sources themselves: the command sees them together with the driving frames."""
        return source

    def drive(self, code: FrameBatch, driving: FrameBatch, camera: Tensor) -> Tensor:
        """As `Method.drive`; a picture that the command failed to make is NaN. `animate` tells the reasons."""
        pictures = torch.full_like(driving.image, torch.nan)  # (B, 3, S, S)
        for row in range(len(driving)):
            one = slice(row, row + 1)
            picture = self.animate(code[one], driving[one], camera[one], Path(os.devnull)).frames[0].picture
            if picture is not None:
                pictures[row] = torch.from_numpy(picture).permute(2, 0, 1) / 127.5 - 1
        return pictures

    def animate(self, source: FrameBatch, driving: FrameBatch, camera: Tensor, log: Path) -> Result:
        """Run the command once, for one source and F driving frames with cameras (F, 25); its output goes to ``log``.

        Never raises for what the command does: failures are frames without a picture. Raises `UserError` when the
        command cannot be started.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="thedit-") as name, open(log, "wb") as output:
            folder = Path(name)
            write_exchange(folder, source, driving, camera)
            start = time.monotonic()
            exit_code = self._run(folder, output)
            seconds = time.monotonic() - start
            end = f"no frame; time limit of {self.time_limit:g} s" if exit_code is None else f"no frame; {exit_code=}"
            frames = _collect(folder / "output", len(driving), self.size, end)
        return Result(frames, exit_code, seconds)

    def check(self) -> None:
        """`UserError` unless the command's program and its home are there; called before anything is made."""
        values = os.environ | {"input": "", "size": str(self.size), "bridges": ""}
        program = _expand(self.command[0], values)
        if self.home and not Path(_expand(self.home, values)).is_dir():
            raise UserError(f"external method: '{_expand(self.home, values)}' is no folder; correct options.home.")
        known = "/" not in program or program.startswith("/")  # else its place is relative to the home
        if known and shutil.which(program, path=_environment(self.gpus)["PATH"]) is None:
            raise UserError(
                f"external method: there is no program '{program}'; install it or correct options.command of its spec."
            )

    def _run(self, folder: Path, output: IO[bytes]) -> int | None:
        """The command's exit code, or None if its time was over; nothing that it started outlives this call."""
        values = os.environ | {
            "input": str(folder),
            "size": str(self.size),
            "bridges": str(Path(__file__).parent / "bridges"),
        }
        command = [_expand(part, values) for part in self.command]
        home = _expand(self.home, values) if self.home else str(folder)
        try:
            process = subprocess.Popen(
                command,
                cwd=home,
                env=_environment(self.gpus),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        except OSError as error:
            raise UserError(
                f"external method: '{command[0]}' in '{home}' cannot be started ({error.strerror}); "
                "install it or correct options.command and options.home of its spec."
            ) from error
        try:
            return process.wait(self.time_limit)
        except subprocess.TimeoutExpired:
            return None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the group: also what the command left running
            process.wait()


def _expand(text: str, values: Mapping[str, str]) -> str:
    """Replace ``$name`` by its value."""
    try:
        return string.Template(text).substitute(values)
    except KeyError as error:
        name = error.args[0]
        raise UserError(f"external method: '{text}' needs the environment variable {name}; set it.") from error


def write_exchange(folder: Path, source: FrameBatch, driving: FrameBatch, camera: Tensor) -> None:
    """Write `INPUTS` of one source and F driving frames with cameras (F, 25) to ``folder``, and an empty ``output``."""
    (folder / "driving").mkdir()
    (folder / "output").mkdir()
    for path, image in [
        (folder / "source.png", source.image[0]),
        *((folder / "driving" / f"{number:04d}.png", image) for number, image in enumerate(driving.image)),
    ]:
        pixels = to_uint8(image)  # (S, S, 3)
        cv2.imwrite(str(path), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    cameras = {"source": source.camera[0].tolist(), "driving": camera.tolist()}
    (folder / "cameras.json").write_text(json.dumps(cameras))


def _collect(folder: Path, count: int, size: int, missing: str) -> list[Frame]:
    """Check what came back; pictures beyond ``count`` make the numbering doubtful, so that all are refused."""
    written = sorted(path for path in folder.iterdir() if path.suffix in (".png", ".npy"))
    expected = {f"{number:04d}" for number in range(count)}
    if extra := [path.name for path in written if path.stem not in expected]:
        return [Frame(None, f"unexpected file {extra[0]}, so that the numbering is doubtful")] * count
    by_name = {path.stem: path for path in written}
    return [_read(by_name[name], size) if name in by_name else Frame(None, missing) for name in sorted(expected)]


def _read(path: Path, size: int) -> Frame:
    if path.suffix == ".npy":
        try:
            picture = np.load(path, allow_pickle=False)
        except (ValueError, OSError, EOFError):
            return Frame(None, f"{path.name} is damaged")
        if not np.isfinite(picture).all():
            return Frame(None, f"{path.name} holds NaN or infinite values")
        picture = np.round(picture.clip(0, 1) * 255).astype(np.uint8)
    else:
        decoded = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
        if decoded is None:
            return Frame(None, f"{path.name} is damaged")
        picture = decoded
    if picture.shape != (size, size, 3):
        return Frame(None, f"{path.name} has shape {picture.shape}, not {(size, size, 3)}")
    return Frame(picture)


def _environment(gpus: int) -> dict[str, str]:
    """This process's environment without its Python, and with the first ``gpus`` of its visible GPUs."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    own = str(Path(sys.executable).parent)
    environment["PATH"] = os.pathsep.join(part for part in os.get_exec_path() if part != own)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(gpus)))).split(",")
    environment["CUDA_VISIBLE_DEVICES"] = ",".join(visible[:gpus])
    return environment
