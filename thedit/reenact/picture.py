"""Picture: what the method makes of the driver's frames, several at once on a processor's cores, in their order."""

import functools
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from threading import Event, Thread
from typing import Any, TypeVar

import cv2
import numpy as np
import torch

from thedit.errors import UserError
from thedit.methods.base import Method
from thedit.reenact.camera import View
from thedit.reenact.faces import Face
from thedit.reenact.motion import Mover, Transfer
from thedit.shards.batch import FrameBatch

MOST_WORKERS = 8  # beyond these the face networks, which go one frame after the other, set the pace
T = TypeVar("T")
U = TypeVar("U")


class Painter:
    """One source, as the driver's frames make it move; ``first`` is the driver's first frame that can be used."""

    def __init__(self, method: Method, source: FrameBatch, first: FrameBatch):
        self.device = next((parameter.device for parameter in method.parameters()), torch.device("cpu"))
        source = source.to(self.device)
        with torch.inference_mode():
            self.mover = Mover(method, method.encode(source), source, first.to(self.device))
        self._framing, self._low = source[:1].camera.cpu(), multiplies_bf16(self.device)

    def __call__(self, face: Face, transfer: Transfer, view: View, shifts: torch.Tensor | None = None) -> np.ndarray:
        """The picture (S, S, 3) uint8 for a face that can be used; `UserError` where the method makes none.

        ``shifts`` (N) are added to the factors of the plane bases.
        """
        frame = face.frame
        framing = self._framing if view.framing == "source" else frame.camera
        seen_from = view.at(self.mover.pose(frame, transfer), framing, face.time).to(self.device)
        low = torch.autocast(self.device.type, torch.bfloat16, enabled=self._low)
        with torch.inference_mode(), low:
            picture = self.mover.picture(frame.to(self.device), transfer, seen_from, shifts)[0].float().cpu()
        if not bool(picture.isfinite().all()):
            raise UserError("the weights make pictures with values that are not finite; train again or use others.")
        return picture.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()


@functools.cache
def multiplies_bf16(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 as it is: layers are then a sixth quicker, and pictures differ by 1/255."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    try:
        return bool({"avx512_bf16", "amx_bf16"} & set(Path("/proc/cpuinfo").read_text().split()))
    except OSError:
        return False


def workers(device: torch.device) -> int:
    """How many frames are made at once: one a core; a GPU takes one after the other."""
    return min(torch.get_num_threads(), MOST_WORKERS) if device.type == "cpu" else 1


def in_order(function: Callable[[T], U], items: Iterable[T], count: int) -> Iterator[U]:
    """``function`` of each item, ``count`` at once, in the items' order; a few are taken ahead, never all."""
    with ThreadPoolExecutor(count, initializer=_alone) as pool:
        waiting: deque[Future[U]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > 2 * count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def ahead(items: Iterator[T], most: int) -> Generator[T, None, None]:
    """The items, made in a thread of their own, at most ``most`` ahead of their use."""
    queue: Queue[tuple[bool, Any]] = Queue(most)
    given_up = Event()

    def fill() -> None:
        _alone()
        try:
            for item in items:
                queue.put((True, item))
                if given_up.is_set():
                    return
            queue.put((False, None))
        except BaseException as error:  # whatever it is, it is raised where the items are used
            queue.put((False, error))

    thread = Thread(target=fill, daemon=True)
    thread.start()
    try:
        while True:
            good, item = queue.get()
            if good:
                yield item
            elif item is None:
                return
            else:
                raise item
    finally:
        given_up.set()
        while thread.is_alive():
            with suppress(Empty):
                queue.get(timeout=0.05)


def _alone() -> None:
    """One thread per worker: the workers are the parallelism."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
