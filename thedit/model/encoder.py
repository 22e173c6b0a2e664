"""The one encoder of identity and motion, residual as in LIA (Wang et al., ICLR 2022)."""

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from thedit.model.synthesis import Conv, Linear


class Encoder(nn.Module):
    """A picture to a code, through residual blocks that halve the side down to 4 x 4.

    The feature map of side r has min(channel_base / r, channel_max) channels; the depth follows from the picture's
    side. Those of the sides ``maps`` are handed out as well.
    """

    def __init__(self, size: int, code: int, channel_base: int, channel_max: int, maps: tuple[int, ...] = ()):
        super().__init__()
        sides = [size // 2**k for k in range(int(math.log2(size)) - 1)]  # size, size / 2, ..., 4
        self.channels = {side: min(channel_base // side, channel_max) for side in sides}
        channels = list(self.channels.values())
        self.stem = Conv(3, channels[0], 1)
        self.blocks = nn.Sequential(*(ResidualBlock(*pair) for pair in itertools.pairwise(channels)))
        self.head = Linear(channels[-1] * 16, code)
        self.maps = maps
        self.to(memory_format=torch.channels_last)

    def forward(self, image: Tensor) -> tuple[Tensor, dict[int, Tensor]]:
        """Pictures (B, 3, S, S) in [-1, 1] -> codes (B, code), and feature maps (B, channels, side, side) by side."""
        x = self.stem(image.contiguous(memory_format=torch.channels_last))
        maps = {}
        for block in self.blocks:
            x = block(x)
            if x.shape[-1] in self.maps:
                maps[x.shape[-1]] = x
        return self.head(x.flatten(1)).float(), maps


class ResidualBlock(nn.Module):
    """Two convolutions, the second halving the side, beside a linear skip."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.first = Conv(inputs, inputs, 3)
        self.second = Conv(inputs, outputs, 3, stride=2)
        self.skip = Conv(inputs, outputs, 1, active=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, I, H, H) -> (B, O, H / 2, H / 2)."""
        return (self.second(self.first(x)) + self.skip(functional.avg_pool2d(x, 2))) / math.sqrt(2)
