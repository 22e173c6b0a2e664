"""What a source's picture offers: features, colours and visibility of points in space, and a background.

Coordinates of *places* are those of `grid_sample` in the wide picture: x and y in [-1, 1], the frame being its middle
two thirds. Shapes: B pictures, P points, C channels, W side of the wide picture, S of the frame.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from thedit import camera
from thedit.kernels.sample import sample
from thedit.model.synthesis import Conv
from thedit.shards.batch import FrameBatch

MARGIN = 0.25  # what the wide picture shows beyond the frame on each side, in sides of the frame
WIDE = 1 + 2 * MARGIN
NEAR = 0.05  # world units by which a point may lie behind what the source's picture shows there and count as seen
WIDTH = 48  # channels inside the pyramid


class Source(NamedTuple):
    """B pictures of sources, encoded once."""

    wide: Tensor  # (B, 3, W, W) in [-1, 1]
    camera: Tensor  # (B, 25) of the wide picture
    features: Tensor  # (B, C, h, h) of the frame
    distance: Tensor  # (B, 1, n, n) from the camera to its own rendered surface, over the wide picture
    background: Tensor  # (B, 3, S, S) of the frame, without the head
    background_features: Tensor  # (B, C, h, h)
    kept: Tensor  # (B, 1, m, m) in [0, 1], where the background is the picture's own


class Seen(NamedTuple):
    """What pictures show where points (B, P) lie."""

    place: Tensor  # (B, P, 2)
    features: Tensor  # (B, P, C), 0 outside of the frame
    colour: Tensor  # (B, P, 3)
    behind: Tensor  # (B, P) in [-1, 1]: before or behind the surface that is shown there
    near: Tensor  # (B, P) in [0, 1]: 1 at that surface


def wide(frames: FrameBatch) -> Tensor:
    """The frames' wide pictures (B, 3, W, W); where none were kept, the frames with their edges repeated."""
    if frames.wide is not None:
        return frames.wide
    margin = round(MARGIN * frames.image.shape[-1])
    return functional.pad(frames.image, (margin,) * 4, mode="replicate")


def wide_camera(cameras: Tensor) -> Tensor:
    """Cameras (B, 25) of the wide pictures of frames with cameras (B, 25)."""
    box = torch.stack([torch.full_like(cameras[:, 0], value) for value in (-MARGIN, -MARGIN, WIDE)], dim=-1)
    return camera.crop(cameras, box)


def to_frame(place: Tensor) -> Tensor:
    """Places in the wide picture as normalised coordinates of the frame, where it spans [0, 1]."""
    return (place + 1) / 2 * WIDE - MARGIN


def look(source: Source, points: Tensor, into: Tensor | None = None, first: int = 0) -> Seen:
    """Look points (B, P, 3) of the world up in each source's picture.

    Where no gradients are asked for, ``into`` (B, P, ...) may have features and colours written to its channels from
    ``first`` on.
    """
    with torch.autocast(points.device.type, enabled=False):
        place = 2 * camera.project(points, source.camera) - 1
        away = torch.linalg.vector_norm(points - source.camera[:, None, 3:12:4], dim=-1)
        behind = (away - sample(source.distance, place, "border")[..., 0]) / NEAR
        return Seen(
            place=place,
            features=sample(source.features, WIDE * place, "zeros", into, first),
            colour=sample(source.wide, place, "border", into, first + source.features.shape[1]),
            behind=torch.tanh(behind),
            near=torch.exp(-behind.square()),
        )


class Pyramid(nn.Module):
    """The encoder's maps, from coarse to fine, as features (B, C, h, h) of the finest side."""

    def __init__(self, inputs: dict[int, int], outputs: int):
        """``inputs``: channels of the maps by their side, each half of the one before."""
        super().__init__()
        self.sides = sorted(inputs)
        self.enter = nn.ModuleList(Conv(inputs[side], WIDTH, 1) for side in self.sides)
        self.mix = nn.ModuleList(Conv(WIDTH, WIDTH, 3) for _ in self.sides)
        self.leave = Conv(WIDTH, outputs, 3, active=False)

    def forward(self, maps: dict[int, Tensor]) -> Tensor:
        """Maps (B, I, side, side) by side -> features (B, C, h, h)."""
        x: Tensor | None = None
        for side, enter, mix in zip(self.sides, self.enter, self.mix):
            y = enter(maps[side])
            x = mix(y if x is None else y + functional.interpolate(x, scale_factor=2, mode="bilinear"))
        assert x is not None
        return self.leave(x).float()
