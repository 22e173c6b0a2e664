"""Synthetic frames for measuring: smooth random pictures with cameras around the head."""

import torch
from torch.nn import functional

from thedit import camera
from thedit.shards.batch import PARTS, FrameBatch, TrainBatch


def frames(count: int, size: int, device: str | torch.device, seed: int = 0) -> FrameBatch:
    """``count`` frames of side ``size``; the same seed gives the same frames."""
    generator = torch.Generator().manual_seed(seed)
    image = functional.interpolate(torch.rand(count, 3, 8, 8, generator=generator), size=(size, size), mode="bicubic")
    parts = torch.randint(len(PARTS), (count, 1, 8, 8), generator=generator, dtype=torch.uint8)
    angles = 40 * torch.rand(2, count, generator=generator) - 20  # degrees
    return FrameBatch(
        image=(2 * image - 1).clamp(-1, 1),
        parts=parts.repeat_interleave(size // 8, 2).repeat_interleave(size // 8, 3),
        camera=camera.label(camera.orbit(angles[0], angles[1]), camera.intrinsics()),
        landmarks=torch.rand(count, 68, 2, generator=generator),
        expression=torch.rand(count, 52, generator=generator),
        identity=torch.randn(count, 50, generator=generator),
    ).to(device)


def pairs(count: int, size: int, device: str | torch.device, seed: int = 0) -> TrainBatch:
    """``count`` training pairs of such frames."""
    source, target, other = (frames(count, size, device, 3 * seed + part) for part in range(3))
    return TrainBatch(source, target, other, driver=target)
