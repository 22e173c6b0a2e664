"""What a processor does where nothing is to be learnt (`thedit.kernels.looped`), by `thedit.kernels.loops`.

torch's grid_sample reads every channel of every texel on its own, and its softplus asks two functions that cost much;
both take several times as long. What is given with its channels side by side in memory (channels last) is read as it
lies. Work is spread over as many threads as torch has.
"""

import functools
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor


def mean_of_planes(planes: Tensor, points: Tensor, axes: tuple[tuple[int, int], ...]) -> Tensor:
    """Mean (B, P, F) of bilinear samples of planes (B, 3, F, R, R), where points (B, P, 3) of the box fall on them.

    ``axes`` of a plane: those along its columns and its rows. Texels' centres and edges as grid_sample takes them with
    align_corners=False and padding_mode="border".
    """
    found = points.new_empty(*points.shape[:2], planes.shape[2])
    texels = planes.permute(0, 3, 4, 1, 2)  # (B, R, R, 3, F)
    _spread("planes", points.shape[1], texels, np.array(axes), points, found)
    return found


def of_pictures(pictures: Tensor, places: Tensor, border: bool, into: Tensor | None = None, first: int = 0) -> Tensor:
    """Bilinear samples (B, P, C) of pictures (B, C, H, W) at places (B, P, 2), x and y in [-1, 1] from edge to edge.

    Outside of a picture its ``border`` goes on, or there are zeros. If ``into`` (B, P, ...) is given, the samples are
    its channels from ``first`` on.
    """
    if into is None:
        into, first = places.new_empty(*places.shape[:2], pictures.shape[1]), 0
    _spread("pictures", places.shape[1], pictures.permute(0, 2, 3, 1), places, border, first, into)
    return into[..., first : first + pictures.shape[1]]


def softplus(x: Tensor, bias: Tensor, into: Tensor | None = None) -> Tensor:
    """log(1 + exp(x + bias)) of contiguous x (..., C), in its place or in the first channels of ``into``."""
    rows = x.view(-1, x.shape[-1])
    if into is None:
        _spread("softplus", len(rows), rows, bias)
        return x
    _spread("softplus_into", len(rows), rows, bias, into.view(-1, into.shape[-1]))
    return into[..., : x.shape[-1]]


def finish(x: Tensor, factor: Tensor, bias: Tensor, slope: float, added: Tensor | None = None) -> Tensor:
    """Leaky ReLU of factor (B, C) * x + bias (C,), and what is ``added``; may overwrite x (B, C, H, W)."""
    found = x.permute(0, 2, 3, 1).contiguous()  # as it lies when it is channels last
    rows = found.view(-1, found.shape[-1])
    more = rows[:0] if added is None else added.permute(0, 2, 3, 1).reshape(rows.shape)
    _spread("finish", len(rows), rows, factor, bias, np.float32(slope), more)
    return found.permute(0, 3, 1, 2)


def blur(x: Tensor) -> Tensor:
    """The filter [1, 3, 3, 1] / 4 on both axes: (B, C, H + 1, W + 1) -> (B, C, H, W)."""
    batch, channels, height, width = x.shape
    found = x.new_empty(batch, height - 1, width - 1, channels)
    _spread("blur", batch * (height - 1), x.permute(0, 2, 3, 1), found)
    return found.permute(0, 3, 1, 2)


def _spread(loop: str, count: int, *arguments: Any) -> None:
    """Call a loop for ``count`` points, a share of them in each of torch's threads."""
    from thedit.kernels import loops  # numba is loaded where it is needed

    arrays = [value.detach().contiguous().numpy() if isinstance(value, Tensor) else value for value in arguments]
    threads = torch.get_num_threads()
    if threads == 1:
        getattr(loops, loop)(*arrays, 0, count)
        return
    steps = [count * n // threads for n in range(threads + 1)]
    for _ in _threads(threads).map(lambda start, stop: getattr(loops, loop)(*arrays, start, stop), steps, steps[1:]):
        pass  # what fails is raised here


@functools.cache
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count)


os.register_at_fork(after_in_child=_threads.cache_clear)  # a new process has none of its parent's threads
