"""`correspondence: truth`: what generated heads tell of where each point of the target is in the source's picture.

Shapes: B pairs, n side of the drawing, G cells of the truth.
"""

import functools
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from thedit import camera
from thedit.errors import UserError
from thedit.heads import assets
from thedit.heads.assets import LABELS
from thedit.model.dense.network import View
from thedit.model.dense.options import DenseOptions
from thedit.model.dense.renderer import expected
from thedit.model.dense.source import MARGIN, to_frame
from thedit.shards.batch import FrameBatch
from thedit.shards.correspondence import Correspondence, Head, correspond
from thedit.shards.surface import Surface

FINE = 4.0  # added weight of a cell of eyes, mouth or brows, and of one that moves by `MOVES`
MOVES = 0.01  # world units
FURTHEST = (0.5, 0.1, 0.3)  # errors count up to so much: places (sides of half a frame), offsets, distances (world)
OPAQUE = 0.05  # least opacity that sums along rays are divided by


def steadied(source: FrameBatch, target: FrameBatch) -> FrameBatch:
    """Targets whose cameras see the head turned from the sources' cameras, and enlarged, as it truly is.

    Cameras are fitted, each a little wrong. What is wrong with the source's stays, as it does for a photograph; were
    the target's wrong in another way, no head could be sharp in both. Where the pivot is seen stays as it was fitted.
    Raises `UserError` if the frames come without their surfaces.
    """
    from_source, to_target = _surfaces(source, target)
    pivot = camera.pivot(target.camera)
    with torch.autocast(target.camera.device.type, enabled=False):
        fitted, _ = camera.split(target.camera)
        pose, _ = camera.split(source.camera)
        true, seen_from = (camera.split(surface.camera)[0] for surface in (to_target, from_source))
        turned = pose[:, :3, :3] @ seen_from[:, :3, :3].mT @ true[:, :3, :3]
        nearer = _size(target.camera) / _size(to_target.camera) * _size(from_source.camera) / _size(source.camera)
        seen = (pivot - fitted[:, None, :3, 3]) @ fitted[:, :3, :3] * nearer[:, None, None]  # in the camera's axes
        centre = pivot - (seen @ turned.mT)[:, 0]
    cam2world = torch.cat([torch.cat([turned, centre[..., None]], 2), fitted[:, 3:]], 1)
    return replace(target, camera=torch.cat([cam2world.flatten(1), target.camera[:, 16:]], 1))


def losses(view: View, source: FrameBatch, target: FrameBatch, options: DenseOptions) -> dict[str, Tensor]:
    """Weighted losses of a view of ``target`` against the true correspondence with ``source``.

    Raises `UserError` if the frames come without their surfaces.
    """
    from_source, to_target = _surfaces(source, target)
    truth = correspond(_head(target.image.device), from_source, to_target)
    o, drawing, side = options, view.drawing, truth.label.shape[-1]
    opacity = _pool(drawing.opacity, side)
    valid = truth.valid[:, None].float()  # (B, 1, G, G), as everything below
    solid = valid * opacity.detach()
    weight = solid * (1 + _detail(truth))
    wanted = truth.uv.movedim(-1, 1)
    place = to_frame(expected(_pool(drawing.place, side), opacity, OPAQUE))
    offset = expected(_pool(drawing.offset, side), opacity, OPAQUE)
    away = expected(_pool(drawing.distance, side), opacity, OPAQUE)
    found = _beyond_pivot(away, target.camera)
    true = _beyond_pivot(truth.distance[:, None], to_target.camera)
    places, offsets, distances = FURTHEST
    made = {
        "place": o.place * _mean(2 * (place - wanted), weight * truth.shown[:, None], places),
        "distance": o.distance * _mean(found - true, solid, distances),
        "opacity": o.opacity * _cross_entropy(opacity, truth.solid[:, None].float()),
    }
    if o.reach:
        made["offset"] = o.offset * _mean(offset - truth.offset.movedim(-1, 1), weight, offsets)
    if view.gate is not None:
        shown = (truth.shown | truth.open)[:, None].float()
        error = functional.binary_cross_entropy_with_logits(_pool(view.gate, side), shown, reduction="none")
        known = _gate_known(truth)[:, None].float()
        made["gate"] = o.gate * (error * known).sum() / known.sum().clamp(min=1)
    return made


def _surfaces(*batches: FrameBatch) -> list[Surface]:
    surfaces = [frames.surface for frames in batches if frames.surface is not None]
    if len(surfaces) < len(batches):
        raise UserError(
            "planedict-dense: correspondence: truth needs shards of generated heads, and these tell nothing of "
            "surfaces; train planedict-dense-self on them."
        )
    return surfaces


@functools.cache
def _head(device: torch.device) -> Head:
    with torch.inference_mode(False):
        return Head(assets.load()).to(device)


def _detail(truth: Correspondence) -> Tensor:
    """Added weight (B, 1, G, G) of the cells that a face is read from."""
    fine = (truth.label > LABELS["skin"]) & (truth.label < LABELS["beard"])
    moved = torch.linalg.vector_norm(truth.offset, dim=-1) / MOVES
    return FINE * (fine + moved.clamp(max=3))[:, None]


def _gate_known(truth: Correspondence) -> Tensor:
    """Cells (B, G, G) of which it is known whether the source shows them: not those that only its margin may show."""
    inside = ((truth.uv > 0) & (truth.uv < 1)).all(-1)
    beyond = ((truth.uv < -MARGIN) | (truth.uv > 1 + MARGIN)).any(-1)
    return (truth.valid & (inside | beyond)) | truth.background


def _beyond_pivot(distance: Tensor, cameras: Tensor) -> Tensor:
    """Distances (B, 1, G, G) from cameras (B, 25), less those to the head's pivot, which a video does not tell."""
    return distance - _away(cameras)[:, None, None, None]


def _size(cameras: Tensor) -> Tensor:
    """Picture sides (B,) that a world unit at the head's pivot takes."""
    return cameras[:, 16] / _away(cameras)


def _away(cameras: Tensor) -> Tensor:
    """Distances (B,) of cameras (B, 25) from the head's pivot."""
    return torch.linalg.vector_norm(cameras[:, 3:12:4] - camera.pivot(cameras), dim=-1)


def _pool(values: Tensor, side: int) -> Tensor:
    """Means (B, C, side, side) over the cells of (B, C, n, n), in full precision."""
    return functional.adaptive_avg_pool2d(values.float(), side)


def _mean(error: Tensor, weight: Tensor, furthest: float) -> Tensor:
    """Weighted mean over (B, 1, G, G) of the L1 of errors (B, C, G, G), each counted up to ``furthest``."""
    size = error.abs().sum(1, keepdim=True).clamp(max=furthest)
    return (size * weight).sum() / weight.sum().clamp(min=1)


def _cross_entropy(share: Tensor, wanted: Tensor) -> Tensor:
    """Mean cross-entropy of shares with what is wanted, both in [0, 1]; bounded."""
    share = share.clamp(1e-4, 1 - 1e-4)
    return -(wanted * share.log() + (1 - wanted) * (1 - share).log()).mean()
