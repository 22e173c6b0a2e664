"""Calls on a GPU as CUDA graphs: captured once, then replayed without the time of a thousand launches."""

from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

import torch

from thedit.shards.combine import combine

WARM_UP = 3
"""Calls of a key that run as they are before one is captured: they compile kernels."""

Input = TypeVar("Input")
Output = TypeVar("Output")


class Capture(Generic[Input, Output]):
    """Calls ``function`` on dataclasses of tensors; after `WARM_UP` calls of a key by replaying what a call did.

    A captured call reads its tensors from fixed places and draws new random numbers from torch's generator of the
    device. It cannot ask the host to decide anything, so everything that it depends on has to be in the tensors or the
    key. Tensors of one key have equal shapes, and a key's results are overwritten by its next call.
    """

    def __init__(self, function: Callable[[Input], Output]):
        self.function = function
        self._calls: Counter[Hashable] = Counter()
        self._graphs: dict[Hashable, _Graph] = {}
        self._stream = torch.cuda.Stream()
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, given: Input, key: Hashable = None) -> Output:
        """What the function returns for ``given``."""
        self._calls[key] += 1
        if self._calls[key] <= WARM_UP:
            return self._run(given)
        if key not in self._graphs:
            self._graphs[key] = _Graph(self.function, given, self._stream, self._pool)
        return self._graphs[key](given)

    def _run(self, given: Input) -> Output:
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            result = self.function(given)
        torch.cuda.current_stream().wait_stream(self._stream)
        return result


class _Graph(Generic[Input, Output]):
    """One call between fixed tensors. Capturing it does not make it."""

    def __init__(self, function: Callable[[Input], Output], given: Input, stream: torch.cuda.Stream, pool: Any):
        self.given = combine(torch.clone, given)
        self.graph = torch.cuda.CUDAGraph()
        # Other threads load the next batches meanwhile.
        with torch.cuda.graph(self.graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
            self.result = function(self.given)

    def __call__(self, given: Input) -> Output:
        combine(lambda fixed, new: fixed.copy_(new, non_blocking=True), self.given, given)
        self.graph.replay()
        return self.result
