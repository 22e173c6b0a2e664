"""Processes that end with the process that started them, however it ends.

A job scheduler that is killed must not leave commands behind that later write its outputs. The scheduler calls `lead`,
every command `follow`, every pool of workers takes `die_with_parent` as its initializer.
"""

import ctypes
import multiprocessing
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from thedit import locks

_LEADER = "THEDIT_LEADER"
_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask the kernel to kill this process as soon as its parent ends; Linux only, elsewhere nothing happens.

    Also the ``initializer`` of worker pools, so that no worker outlives a killed command. A worker whose command ended
    while it was starting ends here.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        parent = multiprocessing.parent_process()
        if parent is not None and not parent.is_alive():
            os._exit(1)


def take_turns_on_gpus(count: int) -> None:
    """Let this worker of a pool see one of ``count`` GPUs, another than its neighbours; call it before CUDA starts."""
    if count > 1:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(count)))).split(",")
        number = multiprocessing.current_process()._identity[0]  # type: ignore[attr-defined]
        os.environ["CUDA_VISIBLE_DEVICES"] = visible[number % count]


@contextmanager
def warned() -> Iterator[threading.Event]:
    """In place of ending this process, SIGTERM sets the event: what runs inside ends itself, and keeps what it has.

    Clusters send it half a minute before they end a job; so does torchrun.
    """
    event = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: event.set())
    try:
        yield event
    finally:
        signal.signal(signal.SIGTERM, before)


def lead() -> None:
    """Let the commands that this process starts find this environment's programs, share its locks, and end with it."""
    os.environ[_LEADER] = str(os.getpid())
    locks.share_with_children()
    if shutil.which("thedit") is None:  # the environment is not activated
        os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()])


def follow() -> None:
    """End with the process that called `lead`, if that is what started this one."""
    leader = os.environ.pop(_LEADER, "")
    if leader:
        die_with_parent()
        if os.getppid() != int(leader):
            sys.exit("thedit: the workflow that started this command has ended.")
