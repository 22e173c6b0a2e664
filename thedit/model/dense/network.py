"""One frame of `planedict-dense`, from top to bottom.

Shapes: B batch, K pictures of each source (side by side in the batch, B * K), S side of the network's picture, T of the
source's frame (S, or larger for a larger result), R side of the planes, n of the rendered picture.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from thedit.kernels import looped
from thedit.model.dense.blending import Blending
from thedit.model.dense.fill import fill
from thedit.model.dense.options import DenseOptions
from thedit.model.dense.renderer import DenseRenderer, Drawing
from thedit.model.dense.source import WIDE, Pyramid, Source, wide, wide_camera
from thedit.model.network import Codes, PlaneNetwork, resize
from thedit.model.synthesis import Conv
from thedit.shards.batch import PARTS, FrameBatch

BORDER = 1 / 32  # of the frame, by which a head's own opacity is widened before the background is cleared of it


class View(NamedTuple):
    """A frame and what it is made of; pictures in [-1, 1]."""

    full: Tensor  # (B, 3, T, T)
    rendered: Tensor  # (B, 3, n, n), the drawing's first three features
    drawn: Tensor  # (B, 3, S, S), what stands where the source shows nothing
    gate: Tensor | None  # (B, 1, S, S), logit of the copy's share
    drawing: Drawing


class DenseNetwork(PlaneNetwork):
    """Tri-planes that know, for each point of the moved head, where it is in the source's picture."""

    options: DenseOptions

    def __init__(self, size: int, options: DenseOptions):
        sides = _pyramid_sides(size)
        super().__init__(size, options, sides)
        self.pyramid = Pyramid({side: self.encoder.channels[side] for side in sides}, options.source_channels)
        self.renderer = DenseRenderer(options)
        self.surround = Conv(options.source_channels, options.plane_channels, 3, active=False)
        self.blending = Blending(options, size)

    def observe(self, codes: Codes, still: Tensor, frames: FrameBatch) -> Source:
        """What the pictures of B sources offer to any frame of them."""
        taken = wide_camera(frames.camera)
        own = self.planes(still, self.condition(codes.motion, codes.motion))
        distance, opacity = self.renderer.surface(own, taken, round(WIDE * self.options.neural_size))
        kept = self._kept(opacity, frames.parts)
        features, shown = self.pyramid(codes.maps), wide(frames)
        return Source(
            wide=shown.contiguous(memory_format=torch.channels_last) if looped(shown) else shown,
            camera=taken,
            features=features,
            distance=distance,
            background=fill(frames.image, resize(kept, frames.image.shape[-1])),
            background_features=fill(features, resize(kept, features.shape[-1])),
            kept=kept,
        )

    def view(
        self,
        planes: Tensor,
        source: Source,
        style: Tensor,
        cameras: Tensor,
        neural_size: int | None = None,
        jitter: bool = False,
    ) -> View:
        """Planes (B * K, 3, F, R, R) of sources (B * K) seen by cameras (B, 25); style (B, identity_code + condition).

        ``jitter`` is for training.
        """
        drawing = self.renderer(planes, source, cameras, neural_size or self.options.neural_size, jitter)
        behind = self._behind(source, len(planes) // len(cameras), drawing.features.shape[-1])
        features = drawing.features + (1 - drawing.opacity) * behind
        full, drawn, gate = self.blending(features, drawing, source, style)
        return View(full, 2 * features[:, :3] - 1, drawn, gate, drawing)

    def _behind(self, source: Source, count: int, size: int) -> Tensor:
        """Features (B, F, size, size) of the first picture's background."""
        features = torch.sigmoid(self.surround(source.background_features[::count]).float())
        return functional.interpolate(features, (size, size), mode="area")

    def _kept(self, opacity: Tensor, parts: Tensor) -> Tensor:
        """Where a background (B, 1, n, n) is free of the head: of its opacity in the wide picture, and of its hull."""
        margin = opacity.shape[-1] // 6
        head = opacity[..., margin:-margin, margin:-margin].float()
        if not self.options.clear_background:
            return torch.ones_like(head)
        side = head.shape[-1]
        if self.options.hull:
            face = functional.interpolate((parts > PARTS["outside"]).float(), (side, side), mode="area")
            head = torch.maximum(head, _widened(face, self.options.hull))
        return (1 - _widened(head, BORDER)).clamp(0, 1).square()


def _widened(mask: Tensor, share: float) -> Tensor:
    """A mask (B, 1, n, n) grown by a share of its side."""
    reach = max(round(share * mask.shape[-1]), 1)
    return functional.max_pool2d(mask, 2 * reach + 1, 1, reach)


def _pyramid_sides(size: int) -> tuple[int, ...]:
    """Sides of the encoder's maps that are looked up: up to four, the finest first."""
    return tuple(size >> k for k in range(1, 5) if size >> k >= 8)
