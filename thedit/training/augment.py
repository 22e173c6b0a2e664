"""Variety for training pairs, whatever the method: few people and rooms then show many.

Both frames of a pair are changed alike, with their labels, so that a pair stays as true as it was. Every draw comes
from torch's own generator on the pictures' device. Nothing here waits for a GPU.
"""

import functools
from dataclasses import replace

import torch
from torch import Tensor

from thedit import camera
from thedit.heads.assets import LABELS, MIRRORED_BLENDSHAPES
from thedit.methods.augment import Colours, draw_colours
from thedit.methods.view import cut
from thedit.shards.batch import FrameBatch, TrainBatch, centre
from thedit.shards.combine import combine
from thedit.shards.surface import Surface

SMALLEST_CROP = 0.8

MIRRORED_LANDMARKS = (
    *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1),
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1),
)  # fmt: skip


def augment(batch: TrainBatch) -> TrainBatch:
    """Pairs with other colours, half of them mirrored, cropped to at least `SMALLEST_CROP` of the side.

    The driver changes as source and target do.
    """
    count, device = len(batch.source), batch.source.image.device
    other, pair = _draw(count, device), _draw(count, device)
    parts, changes = [batch.source, batch.target, batch.other], [pair, pair, other]
    if batch.driver is not batch.target:
        parts, changes = [*parts, batch.driver], [*changes, pair]
    *colours, flipped, box = (torch.cat(column) for column in zip(*changes))
    frames = combine(lambda *tensors: torch.cat(tensors), *parts)  # 3B or 4B of them
    frames = _choose(flipped, mirror(frames), frames)
    frames = crop(recolour(frames, Colours(*colours)), box)
    source, target, strangers, *drivers = (frames[first : first + count] for first in range(0, len(frames), count))
    return TrainBatch(source, target, strangers, drivers[0] if drivers else target)


def _draw(count: int, device: torch.device) -> tuple[Tensor, ...]:
    """Changes of ``count`` frames: the five of `Colours`, whether mirrored (count,), and what is left (count, 3)."""
    colours = draw_colours(count, device)
    flipped = torch.rand(count, device=device) < 0.5
    side = 1 - (1 - SMALLEST_CROP) * torch.rand(count, 1, device=device)
    corner = (1 - side) * torch.rand(count, 2, device=device)
    return *colours, flipped, torch.cat([corner, side], dim=1)


def recolour(frames: FrameBatch, colours: Colours) -> FrameBatch:
    """Frames in other colours, their margins too."""
    if frames.wide is None:
        return replace(frames, image=colours(frames.image))
    wide = colours(frames.wide)
    return replace(frames, image=centre(wide), wide=wide)


def mirror(frames: FrameBatch) -> FrameBatch:
    """Frames in a mirror: x to -x in the world and in the picture. Fitted identities stay, they have no sides."""
    landmarks = _reorder(frames.landmarks, MIRRORED_LANDMARKS)
    landmarks[..., 0] = 1 - landmarks[..., 0]
    return replace(
        frames,
        image=frames.image.flip(-1),
        parts=frames.parts.flip(-1),
        camera=_mirror_camera(frames.camera),
        landmarks=landmarks,
        expression=_reorder(frames.expression, MIRRORED_BLENDSHAPES),
        wide=None if frames.wide is None else frames.wide.flip(-1),
        surface=None if frames.surface is None else _mirror_surface(frames.surface),
    )


def _mirror_camera(cameras: Tensor) -> Tensor:
    cam2world, intrinsics = camera.split(cameras)
    cam2world, intrinsics = cam2world.clone(), intrinsics.clone()
    cam2world[:, 0] *= -1
    cam2world[:, :, 0] *= -1
    intrinsics[:, 0, 1] *= -1
    intrinsics[:, 0, 2] = 1 - intrinsics[:, 0, 2]
    return camera.join(cam2world, intrinsics)


def _mirror_surface(surface: Surface) -> Surface:
    """What is seen in the mirror; its left eye is the head's right one."""
    left, right = surface.label == LABELS["eye_left"], surface.label == LABELS["eye_right"]
    label = surface.label.masked_fill(left, LABELS["eye_right"]).masked_fill(right, LABELS["eye_left"])
    return replace(
        surface,
        label=label.flip(-1),
        triangle=surface.triangle.flip(-1),
        weights=surface.weights.flip(-2),
        distance=surface.distance.flip(-1),
        camera=_mirror_camera(surface.camera),
        expression=_reorder(surface.expression, MIRRORED_BLENDSHAPES),
        mirrored=~surface.mirrored,
    )


def _reorder(values: Tensor, order: tuple[int, ...]) -> Tensor:
    """Columns of (B, N, ...) in another order."""
    return values.index_select(1, _index(order, values.device))


@functools.cache
def _index(order: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.tensor(order, device=device)


def crop(frames: FrameBatch, box: Tensor) -> FrameBatch:
    """Square parts of frames, ``box`` (B, 3) as left, top, side in normalised units, enlarged to the frames' size.

    Boxes lie inside the frames, so that margins lie inside theirs.
    """
    parts = cut(frames.parts.float(), box, mode="nearest", padding="zeros")
    left, top, side = box.unbind(1)
    wide = None
    if frames.wide is not None:  # its own coordinates run from 0 to 1 where the frame's run from -0.25 to 1.25
        around = torch.stack([(left - side / 4 + 0.25) / 1.5, (top - side / 4 + 0.25) / 1.5, side], 1)
        wide = cut(frames.wide, around)
    return replace(
        frames,
        image=cut(frames.image, box) if wide is None else centre(wide),
        parts=parts.to(frames.parts.dtype),
        camera=camera.crop(frames.camera, box),
        landmarks=(frames.landmarks - box[:, None, :2]) / box[:, None, 2:],
        wide=wide,
        surface=None if frames.surface is None else _crop_surface(frames.surface, box),
    )


def _crop_surface(surface: Surface, box: Tensor) -> Surface:
    """What the nearest cells show; `thedit.shards.correspondence` moves it to the new cells' centres."""
    maps = [surface.label, surface.triangle, surface.distance, *surface.weights.unbind(-1)]
    label, triangle, distance, *weights = cut(torch.stack([m.float() for m in maps], 1), box, mode="nearest").unbind(1)
    return replace(
        surface,
        label=label.to(surface.label.dtype),
        triangle=triangle.to(surface.triangle.dtype),
        weights=torch.stack(weights, -1),
        distance=distance,
        camera=camera.crop(surface.camera, box),
    )


def _choose(first_rows: Tensor, first: FrameBatch, second: FrameBatch) -> FrameBatch:
    """Rows of ``first`` where ``first_rows`` (B,) is true, of ``second`` elsewhere."""
    return combine(lambda a, b: torch.where(first_rows.view(-1, *[1] * (a.dim() - 1)), a, b), first, second)
