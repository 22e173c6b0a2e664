"""From a latent code to flows at several scales, and from there to a picture (Wang et al., 2022, section 3.2).

The flow field generator G_f is a style-based synthesis network; the refinement network G_r warps the source's features
with its flows, masks them, and paints from coarse to fine.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from thedit.methods.warp import warp
from thedit.model.synthesis import Conv, SynthesisBlock, upsample


class RefineLevel(nn.Module):
    """One scale of G_r: what was painted below, and the warped features of the source -> features and colours."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = Conv(inputs, outputs, 3)
        self.second = Conv(outputs, outputs, 3)
        self.colour = Conv(outputs, 3, 1)
        nn.init.zeros_(self.colour.weight)  # a new network paints grey

    def forward(self, painted: Tensor, picture: Tensor, warped: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, C, H, H), picture (B, 3, H, H), warped (B, C', 2H, 2H) -> the first two at twice the side."""
        painted = self.second(self.first(upsample(painted)) + warped)
        return painted, upsample(picture) + self.colour(painted).float()


class Generator(nn.Module):
    """Latent code and the source's feature maps of sides 8, ..., S -> picture (B, 3, S, S) in [-1, 1].

    The level of side r has min(channel_base / r, channel_max) channels, as in the encoder.
    """

    def __init__(self, size: int, latent: int, channel_base: int, channel_max: int) -> None:
        super().__init__()
        sides = [2**k for k in range(2, int(math.log2(size)) + 1)]  # 4, 8, ..., S
        channels = [min(channel_base // side, channel_max) for side in sides]
        levels = list(pairwise(channels))
        self.start = nn.Parameter(torch.randn(1, channels[0], 4, 4))
        self.flows = nn.ModuleList(_flow_level(small, big, latent) for small, big in levels)
        self.refine = nn.ModuleList(RefineLevel(small, big) for small, big in levels)

    def flow_fields(self, code: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Flow (B, 2, r, r) in [-1, 1] units and mask (B, 1, r, r) in [0, 1] for each side r from 8 to S."""
        features = self.start.expand(len(code), -1, -1, -1)
        raw = None
        fields = []
        for block in self.flows:
            features, raw = block(features, raw, code)  # raw (B, 3, r, r) sums what every scale adds
            fields.append((raw[:, :2].tanh(), raw[:, 2:].sigmoid()))
        return fields

    def forward(self, code: Tensor, maps: list[Tensor]) -> Tensor:
        """Code (B, latent), maps of sides 8, ..., S -> picture (B, 3, S, S)."""
        painted = torch.zeros_like(self.start).expand(len(code), -1, -1, -1)
        picture = painted[:, :3]
        for level, (flow, mask), features in zip(self.refine, self.flow_fields(code), maps):
            painted, picture = level(painted, picture, warp(features, flow) * mask.to(features.dtype))
        return picture.tanh()


def _flow_level(inputs: int, outputs: int, latent: int) -> SynthesisBlock:
    block = SynthesisBlock(inputs, outputs, 3, latent)
    nn.init.zeros_(block.output.weight)  # a new network moves nothing
    return block
