"""Who works in a folder: locks that several hosts can hold on a file system that they share.

A holder has a small file in the folder, ``.lock-<host>-<pid>-<number>.json``, that says who it is, and touches it at
times. To take a lock is to write one's own file first and then to look at the others', so that of two that come at once
at least one sees the other; no feature of the file system is needed beyond that. Files of processes that have ended
are taken away: on this host when the process is gone, on another one when it was not touched for `PATIENCE`.

Some lock a folder alone, others share it: a folder may be shared by holders that name the same ``key``, such as the
digest of the settings that its content was made with. All processes of one workflow are one owner, whose locks never
exclude each other: its stages are ordered by the workflow itself.
"""

import atexit
import contextlib
import itertools
import json
import os
import random
import socket
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from thedit import layout
from thedit.config import Config, digest
from thedit.errors import UserError

OWNER = "THEDIT_OWNER"  # the workflow's name in the environment of what it starts
BEAT = 20.0  # seconds between two touches
PATIENCE = 180.0  # seconds without a touch after which another host's holder counts as ended
ATTEMPTS = 5  # of holders that came at the same time

_numbers = itertools.count()
_owner = os.environ.get(OWNER) or uuid.uuid4().hex
_held: set[Path] = set()


@dataclass(frozen=True)
class Holder:
    """Who holds a lock: its owner, whether and under what key it shares, and the process to name in messages."""

    owner: str
    shared: bool
    key: str
    host: str
    pid: int
    started: str  # when the process began, by its host's own measure: numbers of processes come again
    command: str
    since: str

    def excludes(self, other: "Holder") -> bool:
        """Whether both cannot hold the same folder."""
        return self.owner != other.owner and not (self.shared and other.shared and self.key == other.key)

    def __str__(self) -> str:
        return f"{self.command}, process {self.pid} on {self.host}, since {self.since}"


def share_with_children() -> None:
    """Let every process that this one starts be the same owner."""
    os.environ[OWNER] = _owner


@contextmanager
def held(folder: str | Path, *, shared: bool = False, key: str = "") -> Iterator[None]:
    """Hold ``folder``, which is made if it is missing; `UserError` names another owner's process that holds it."""
    path = _take(Path(folder), shared, key)
    try:
        yield
    finally:
        _release(path)


def claim(folder: str | Path, *, shared: bool = False, key: str = "") -> None:
    """As `held`, until this process ends, however it ends."""
    atexit.register(_release, _take(Path(folder), shared, key))


def reading(config: Config) -> Config:
    """``config``, whose data set this process reads from now on until it ends."""
    claim(layout.data(config), shared=True, key=digest(config.data))
    return config


def _take(folder: Path, shared: bool, key: str) -> Path | None:
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:2]])
    me = Holder(
        _owner, shared, key, socket.gethostname(), os.getpid(), _started(os.getpid()) or "", command,
        time.strftime("%Y-%m-%d %H:%M"),
    )  # fmt: skip
    for attempt in range(ATTEMPTS):
        try:
            path = _announce(folder, me)
        except OSError as error:
            if shared:  # a reader of a folder that it may not write to; nobody else here may write to it either
                return None
            raise UserError(f"{folder}: cannot be written ({error.strerror}); choose another folder.") from error
        others = [(file, other) for file, other in _others(folder, path) if me.excludes(other)]
        if not others:
            _held.add(path)
            _start_beating()
            return path
        _release(path)
        time.sleep(random.uniform(0.05, 0.2) * (attempt + 1))
    file, other = others[0]
    remedy = (
        "wait for it, or end it" if other.host == me.host else f"wait for it, end it, or if it is gone delete {file}"
    )
    if shared and other.shared:
        remedy = "its settings of the data differ, so wait for it, or give this run another data.name"
    raise UserError(f"{folder}: another run works in this folder ({other}); {remedy}.")


def _announce(folder: Path, me: Holder) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".lock-{me.host}-{me.pid}-{next(_numbers)}.json"
    sibling = path.with_suffix(".new")
    sibling.write_text(json.dumps(asdict(me)))
    os.replace(sibling, path)
    return path


def _others(folder: Path, mine: Path) -> Iterator[tuple[Path, Holder]]:
    """Files of the other live holders; those of dead ones are taken away."""
    now = mine.stat().st_mtime  # by the file system's clock, as the other files' times
    for file in sorted(folder.glob(".lock-*.json")):
        if file == mine:
            continue
        try:
            other, touched = Holder(**json.loads(file.read_text())), file.stat().st_mtime
        except (OSError, ValueError, TypeError):  # just taken away, or no lock of ours
            continue
        local = other.host == socket.gethostname()
        if (_started(other.pid) == other.started) if local else (now - touched < PATIENCE):
            yield file, other
        else:
            file.unlink(missing_ok=True)


def _release(path: Path | None) -> None:
    if path is not None:
        _held.discard(path)
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _started(pid: int) -> str | None:
    """When a process of this host began; None if there is none, or only what a killed one leaves behind."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        if sys.platform == "linux":
            return None
        return _alive(pid)
    except ProcessLookupError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def _alive(pid: int) -> str | None:
    """Without /proc: whether there is a process of this number at all."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return "alive"


def _beat() -> None:
    while True:
        time.sleep(BEAT)
        for path in list(_held):
            with contextlib.suppress(OSError):
                os.utime(path)


def _start_beating() -> None:
    if not any(thread.name == "locks" for thread in threading.enumerate()):
        threading.Thread(target=_beat, name="locks", daemon=True).start()
