"""Synthetic frames on the device that is measured, without the truth that only generated heads have."""

from dataclasses import replace

import torch

from thedit.shards import synthetic
from thedit.shards.batch import FrameBatch, TrainBatch


def frames(count: int, size: int, device: str | torch.device, seed: int = 0) -> FrameBatch:
    """``count`` frames of side ``size``; the same seed gives the same frames."""
    return _bare(synthetic.frames(count, size, seed)).to(device)


def pairs(count: int, size: int, device: str | torch.device, seed: int = 0, truth: bool = False) -> TrainBatch:
    """``count`` training pairs of such frames, with made-up ``truth`` for methods that learn from it."""
    made = synthetic.pairs(count, size, seed)
    return (made if truth else made.map(_bare)).to(device)


def _bare(batch: FrameBatch) -> FrameBatch:
    return replace(batch, surface=None)
