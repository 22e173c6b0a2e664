"""What travels between the rooms: a batch of frames with their labels."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from thedit.shards.combine import combine
from thedit.shards.surface import Surface


@dataclass(frozen=True)
class FrameBatch:
    """B preprocessed frames of side S; every tensor has the batch first. The last two are None where nobody knows them.

    image        (B, 3, S, S) float32, RGB in [-1, 1]
    parts        (B, 1, S, S) uint8 facial-part labels, see `PARTS`
    camera       (B, 25) float32, see `thedit.camera`
    landmarks    (B, 68, 2) float32, iBUG order, normalised picture coordinates
    expression   (B, 52) float32 fitted ARKit coefficients in [0, 1], order of `thedit.heads.assets.BLENDSHAPES`
    identity     (B, K) float32 fitted identity coefficients
    wide         (B, 3, 3S/2, 3S/2) float32, the picture with a margin of a quarter of its side all around, of which
                 ``image`` is exactly the centre (see `centre`)
    surface      what is seen where, of generated heads
    """

    image: Tensor
    parts: Tensor
    camera: Tensor
    landmarks: Tensor
    expression: Tensor
    identity: Tensor
    wide: Tensor | None = None
    surface: Surface | None = None

    def __len__(self) -> int:
        return self.image.shape[0]

    def __getitem__(self, rows: slice | Tensor) -> "FrameBatch":
        return combine(lambda tensor: tensor[rows], self)

    def pin_memory(self) -> "FrameBatch":
        """The same batch in memory from which a GPU copies while it computes."""
        return combine(Tensor.pin_memory, self)

    def to(self, device: torch.device | str) -> "FrameBatch":
        """The same batch on another device."""
        return combine(lambda tensor: tensor.to(device, non_blocking=True), self)


@dataclass(frozen=True)
class TrainBatch:
    """B training pairs.

    source, target   two frames of one person
    other            somebody else
    driver           somebody else who does what the target does at the same moment, under the same path of the camera;
                     where nobody does, the target itself. ``driver is target`` if that holds for the whole batch
    """

    source: FrameBatch
    target: FrameBatch
    other: FrameBatch
    driver: FrameBatch

    def map(self, function: Callable[[FrameBatch], FrameBatch]) -> "TrainBatch":
        """The same pairs with each frame changed by ``function``; a driver that is the target remains so."""
        source, target, other = (function(part) for part in (self.source, self.target, self.other))
        return TrainBatch(source, target, other, target if self.driver is self.target else function(self.driver))

    def __getitem__(self, rows: slice | Tensor) -> "TrainBatch":
        return self.map(lambda part: part[rows])

    def to(self, device: torch.device | str) -> "TrainBatch":
        """The same pairs on another device."""
        return self.map(lambda part: part.to(device))


def centre(wide: Tensor) -> Tensor:
    """The frames (..., S, S) amid pictures with their margin (..., 3S/2, 3S/2)."""
    margin = wide.shape[-1] // 6
    return wide[..., margin:-margin, margin:-margin]


PARTS = {"outside": 0, "face": 1, "brows": 2, "eyes": 3, "nose": 4, "mouth": 5}
