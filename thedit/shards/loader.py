"""Training batches in order, decoded ahead of time by threads."""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import torch

from thedit.shards.batch import FrameBatch, TrainBatch
from thedit.shards.sampler import Pairs
from thedit.shards.store import FrameStore


class Sampler(Protocol):
    """Rows of batch number ``position``: `thedit.shards.sampler.PairSampler`, or a part of one."""

    def __getitem__(self, position: int) -> Pairs: ...


class PairLoader:
    """Endless batches ``sampler[position]``, ``sampler[position + 1]``, ... with their pictures.

    ``position`` is the number of the next batch: save it, and a loader that starts there goes on as if never
    interrupted. The batches do not depend on ``workers`` (decoding threads; PNG decoding does not hold the
    interpreter's lock); twice as many batches are kept ready.
    """

    def __init__(self, store: FrameStore, sampler: Sampler, position: int = 0, workers: int = 0):
        self.store, self.sampler, self.position = store, sampler, position
        self.workers = workers or min(8, os.cpu_count() or 1)
        self.pinned = torch.cuda.is_available()

    def __iter__(self) -> Iterator[TrainBatch]:
        pending: deque[Future[TrainBatch]] = deque()
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="loader")
        try:
            while True:
                while len(pending) < 2 * self.workers:
                    pending.append(pool.submit(self._load, self.position + len(pending)))
                batch = pending.popleft().result()
                self.position += 1
                yield batch
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _load(self, position: int) -> TrainBatch:
        batch = self.store.pairs(self.sampler[position])
        return batch.map(FrameBatch.pin_memory) if self.pinned else batch
