"""Variety for training pairs, whatever the method: few people and rooms then show many.

Both frames of a pair are changed alike, with their labels, so that a pair stays as true as it was. Every draw comes
from torch's own generator on the pictures' device. Nothing here waits for a GPU.
"""

import functools
from dataclasses import fields, replace

import torch
from torch import Tensor

from thedit import camera
from thedit.heads.assets import ACTIONS
from thedit.methods.augment import Colours, draw_colours
from thedit.methods.view import cut
from thedit.shards.batch import FrameBatch, TrainBatch

SMALLEST_CROP = 0.8

_OTHER_SIDE = {"Left": "Right", "Right": "Left"}
MIRRORED_ACTIONS = tuple(
    ACTIONS.index(name.removesuffix(side) + _OTHER_SIDE[side]) if side else index
    for index, name in enumerate(ACTIONS)
    for side in [next((side for side in _OTHER_SIDE if name.endswith(side)), "")]
)
MIRRORED_LANDMARKS = (
    *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1),
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1),
)  # fmt: skip


def augment(batch: TrainBatch) -> TrainBatch:
    """Pairs with other colours, half of them mirrored, cropped to at least `SMALLEST_CROP` of the side."""
    count, device = len(batch.source), batch.source.image.device
    other, pair = _draw(count, device), _draw(count, device)
    *colours, flipped, box = (torch.cat([p, p, o]) for p, o in zip(pair, other))
    parts = [vars(part).values() for part in (batch.source, batch.target, batch.other)]
    frames = FrameBatch(*(torch.cat(tensors) for tensors in zip(*parts)))  # 3B of them
    frames = _choose(flipped, mirror(frames), frames)
    frames = crop(replace(frames, image=Colours(*colours)(frames.image)), box)
    return TrainBatch(*(frames[first : first + count] for first in (0, count, 2 * count)))


def _draw(count: int, device: torch.device) -> tuple[Tensor, ...]:
    """Changes of ``count`` frames: the five of `Colours`, whether mirrored (count,), and what is left (count, 3)."""
    colours = draw_colours(count, device)
    flipped = torch.rand(count, device=device) < 0.5
    side = 1 - (1 - SMALLEST_CROP) * torch.rand(count, 1, device=device)
    corner = (1 - side) * torch.rand(count, 2, device=device)
    return *colours, flipped, torch.cat([corner, side], dim=1)


def mirror(frames: FrameBatch) -> FrameBatch:
    """Frames in a mirror: x to -x in the world and in the picture. Fitted identities stay, they have no sides."""
    cam2world, intrinsics = camera.split(frames.camera)
    cam2world, intrinsics = cam2world.clone(), intrinsics.clone()
    cam2world[:, 0] *= -1
    cam2world[:, :, 0] *= -1
    intrinsics[:, 0, 1] *= -1
    intrinsics[:, 0, 2] = 1 - intrinsics[:, 0, 2]
    landmarks = _reorder(frames.landmarks, MIRRORED_LANDMARKS)
    landmarks[..., 0] = 1 - landmarks[..., 0]
    return replace(
        frames,
        image=frames.image.flip(-1),
        parts=frames.parts.flip(-1),
        camera=camera.label(cam2world, intrinsics),
        landmarks=landmarks,
        expression=_reorder(frames.expression, MIRRORED_ACTIONS),
    )


def _reorder(values: Tensor, order: tuple[int, ...]) -> Tensor:
    """Columns of (B, N, ...) in another order."""
    return values.index_select(1, _index(order, values.device))


@functools.cache
def _index(order: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.tensor(order, device=device)


def crop(frames: FrameBatch, box: Tensor) -> FrameBatch:
    """Square parts of frames, ``box`` (B, 3) as left, top, side in normalised units, enlarged to the frames' size."""
    parts = cut(frames.parts.float(), box, mode="nearest", padding="zeros")
    return replace(
        frames,
        image=cut(frames.image, box),
        parts=parts.to(frames.parts.dtype),
        camera=camera.crop(frames.camera, box),
        landmarks=(frames.landmarks - box[:, None, :2]) / box[:, None, 2:],
    )


def _choose(first_rows: Tensor, first: FrameBatch, second: FrameBatch) -> FrameBatch:
    """Rows of ``first`` where ``first_rows`` (B,) is true, of ``second`` elsewhere."""

    def pick(a: Tensor, b: Tensor) -> Tensor:
        return torch.where(first_rows.view(-1, *[1] * (a.dim() - 1)), a, b)

    return FrameBatch(*(pick(getattr(first, field.name), getattr(second, field.name)) for field in fields(FrameBatch)))
