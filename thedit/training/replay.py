"""Losses and gradients as CUDA graphs: recorded once, then replayed without the time of a thousand launches."""

from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor

from thedit.shards.batch import TrainBatch
from thedit.shards.combine import combine

WARM_UP = 3
"""Steps of a pattern that run as they are before one is recorded: they compile kernels."""

Step = Callable[[TrainBatch], dict[str, Tensor]]


class Replay:
    """Calls ``step`` on batches; after `WARM_UP` calls of a pattern by replaying what a call did.

    A recorded step reads its batch from fixed tensors and draws new random numbers from torch's generator of the
    device. It cannot ask the host to decide anything, so everything that it depends on has to be in the batch or the
    pattern. Batches of one pattern have equal shapes.
    """

    def __init__(self, step: Step):
        self.step = step
        self._calls: Counter[Hashable] = Counter()
        self._recordings: dict[Hashable, _Recording] = {}
        self._stream = torch.cuda.Stream()
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, batch: TrainBatch, pattern: Hashable) -> dict[str, Tensor]:
        """The losses of the step, which later calls leave alone."""
        self._calls[pattern] += 1
        if self._calls[pattern] <= WARM_UP:
            return self._run(batch)
        if pattern not in self._recordings:
            self._recordings[pattern] = _Recording(self.step, batch, self._stream, self._pool)
        return self._recordings[pattern](batch)

    def _run(self, batch: TrainBatch) -> dict[str, Tensor]:
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            losses = self.step(batch)
        torch.cuda.current_stream().wait_stream(self._stream)
        return losses


class _Recording:
    """One step between fixed tensors. Recording it does not make it."""

    def __init__(self, step: Step, batch: TrainBatch, stream: torch.cuda.Stream, pool: Any):
        self.batch = batch.map(lambda part: combine(torch.clone, part))
        self.graph = torch.cuda.CUDAGraph()
        # Other threads load the next batches meanwhile.
        with torch.cuda.graph(self.graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
            self.losses = step(self.batch)

    def __call__(self, batch: TrainBatch) -> dict[str, Tensor]:
        combine(lambda fixed, new: fixed.copy_(new, non_blocking=True), self.batch, batch)
        self.graph.replay()
        return {name: loss.clone() for name, loss in self.losses.items()}
