"""What travels between the rooms: a batch of frames with their labels."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True)
class FrameBatch:
    """B preprocessed frames of side S; every tensor has the batch first.

    image        (B, 3, S, S) float32, RGB in [-1, 1]
    parts        (B, 1, S, S) uint8 facial-part labels, see `PARTS`
    camera       (B, 25) float32 label, see `thedit.camera`
    landmarks    (B, 68, 2) float32, iBUG order, normalised picture coordinates
    expression   (B, 52) float32 fitted ARKit coefficients in [0, 1], order of `thedit.heads.assets.ACTIONS`
    identity     (B, K) float32 fitted identity coefficients
    """

    image: Tensor
    parts: Tensor
    camera: Tensor
    landmarks: Tensor
    expression: Tensor
    identity: Tensor

    def __len__(self) -> int:
        return self.image.shape[0]

    def __getitem__(self, rows: slice | Tensor) -> "FrameBatch":
        return FrameBatch(*(getattr(self, field.name)[rows] for field in fields(self)))

    def pin_memory(self) -> "FrameBatch":
        """The same batch in memory from which a GPU copies while it computes."""
        return FrameBatch(*(getattr(self, field.name).pin_memory() for field in fields(self)))

    def to(self, device: torch.device | str) -> "FrameBatch":
        """The same batch on another device."""
        return FrameBatch(*(getattr(self, field.name).to(device, non_blocking=True) for field in fields(self)))


@dataclass(frozen=True)
class TrainBatch:
    """B training pairs: source and target show one person, ``other`` shows somebody else."""

    source: FrameBatch
    target: FrameBatch
    other: FrameBatch

    def to(self, device: torch.device | str) -> "TrainBatch":
        """The same pairs on another device."""
        return TrainBatch(self.source.to(device), self.target.to(device), self.other.to(device))


PARTS = {"outside": 0, "face": 1, "brows": 2, "eyes": 3, "nose": 4, "mouth": 5}
