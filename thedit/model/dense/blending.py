"""From a drawing and its source to the picture: a copy of the source, moved, and what is drawn where that fails.

Shapes: B frames, K pictures of each source, n side of the drawing, S of the network's picture, T of the result, the
side of the source's frame.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from thedit.model.dense.options import DenseOptions
from thedit.model.dense.renderer import LEAST, Drawing, expected
from thedit.model.dense.source import WIDE, Source
from thedit.model.network import resize
from thedit.model.renderer import SuperResolution
from thedit.model.synthesis import Conv

CERTAIN = 6.0  # by how much the gate's logit grows from where the source shows nothing to where it shows the point


class Copy(NamedTuple):
    """The source's picture as it looks in the frame, side T."""

    picture: Tensor  # (B, 3, T, T) in [-1, 1]: the moved head over the background
    mirrored: Tensor  # (B, 3, T, T): the other half of the head, moved here; 0 where there is no head
    opacity: Tensor  # (B, 1, T, T)
    near: Tensor  # (B, 1, T, T) in [0, 1]: the source's picture shows the head here
    mirrored_near: Tensor  # (B, 1, T, T)
    seen: Tensor  # (B, 1, T, T) in [0, 1]: it shows what is here, head or background


class Blended(NamedTuple):
    """The result and what it is made of."""

    full: Tensor  # (B, 3, T, T) in [-1, 1]
    drawn: Tensor  # (B, 3, S, S) without the copy
    gate: Tensor | None  # (B, 1, S, S) logit: copy or draw


def copy(drawing: Drawing, source: Source) -> Copy:
    """Look the source up where the drawing says, at the full size of the source's frame."""
    count, side = len(drawing.place) // len(drawing.opacity), source.background.shape[-1]
    opacity = resize(drawing.opacity, side)
    near, picture = _together(drawing.place, drawing.near, drawing, source, side)
    mirrored_near, mirrored = _together(drawing.mirrored_place, drawing.mirrored_near, drawing, source, side)
    background, kept = source.background[::count], resize(source.kept[::count], side)
    return Copy(
        picture=torch.lerp(background, picture, opacity),
        mirrored=opacity * mirrored,
        opacity=opacity,
        near=near,
        mirrored_near=mirrored_near,
        seen=torch.lerp(kept, near, opacity),
    )


def _together(place: Tensor, near: Tensor, drawing: Drawing, source: Source, side: int) -> tuple[Tensor, Tensor]:
    """Whether the point is seen (B, 1, T, T) and how it looks (B, 3, T, T), of K pictures weighed by that."""
    still = _pixels(place) / WIDE  # where a ray that meets nothing would look: straight ahead
    place = torch.where(_like(drawing.opacity, place) > 0.02, expected(place, drawing.opacity), still)
    place, near = resize(place, side), resize(expected(near, drawing.opacity), side)
    looked = functional.grid_sample(source.wide, place.permute(0, 2, 3, 1), padding_mode="border", align_corners=False)
    count = len(place) // len(drawing.opacity)
    if count == 1:
        return near, looked
    near, looked = near.unflatten(0, (-1, count)), looked.unflatten(0, (-1, count))
    share = (near + LEAST) / (near + LEAST).sum(1, keepdim=True)
    return (share * near).sum(1), (share * looked).sum(1)


class Blending(nn.Module):
    """Super-resolution that also sees the copy, and how much of the copy shall be shown in its place."""

    def __init__(self, options: DenseOptions, size: int):
        super().__init__()
        o = self.options = options
        style = o.identity_code + o.condition
        self.size, self.first_size = size, size // 2 if size >= 2 * o.neural_size else size
        self.enlarge = SuperResolution(o.plane_channels, style, o.neural_size, size, o.super_widths)
        if o.warp:
            inputs = 3 + 1 + 1 + (4 if o.mirrored else 0)
            self.enter = nn.ModuleList(Conv(inputs, width, 3, active=False) for width in o.super_widths)
            self.weigh = Conv(o.super_widths[1], 1, 3, active=False)
        self.to(memory_format=torch.channels_last)

    def forward(self, features: Tensor, drawing: Drawing, source: Source, style: Tensor) -> Blended:
        """Features (B, F, n, n) of head and background, the drawing, its source and style (B, S) -> the picture."""
        low = resize(features, self.options.neural_size)
        low, picture = low.contiguous(memory_format=torch.channels_last), 2 * low[:, :3] - 1
        side = source.background.shape[-1]
        if not self.options.warp:
            drawn = self.enlarge(low, picture, style)
            return Blended(resize(drawn, side), drawn, None)
        copied = copy(drawing, source)
        shown = [copied.picture, copied.opacity, copied.near]
        if self.options.mirrored:
            shown += [copied.mirrored, copied.mirrored_near]
        known = _averaged(torch.cat(shown, dim=1), self.size)
        coarse = _averaged(known, self.first_size)
        first, second = self.enter
        x, picture = self.enlarge.first(low, picture, style, first(coarse))
        x, drawn = self.enlarge.second(x, picture, style, second(known))
        gate = self.weigh(x).float() + CERTAIN * (resize(copied.seen, self.size) - 0.5)
        return Blended(torch.lerp(resize(drawn, side), copied.picture, torch.sigmoid(resize(gate, side))), drawn, gate)


def _averaged(x: Tensor, side: int) -> Tensor:
    """Means (B, C, side, side) of pictures (B, C, H, H)."""
    return x if x.shape[-1] == side else functional.interpolate(x, (side, side), mode="area")


def _pixels(like: Tensor) -> Tensor:
    """Pixel centres (1, 2, n, n) of pictures (B, C, n, n), x and y in [-1, 1]."""
    side = like.shape[-1]
    steps = (torch.arange(side, device=like.device, dtype=like.dtype) + 0.5) / side * 2 - 1
    return torch.stack(torch.meshgrid(steps, steps, indexing="xy"))[None]


def _like(opacity: Tensor, values: Tensor) -> Tensor:
    return opacity.repeat_interleave(len(values) // len(opacity), 0)
