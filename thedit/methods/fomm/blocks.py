"""Convolution blocks of the first-order motion model (Siarohin et al., NeurIPS 2019, supplementary material A)."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class ConvBlock(nn.Sequential):
    """Convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class DownBlock(nn.Sequential):
    """A `ConvBlock` and 2 x 2 average pooling: (B, C, H, W) -> (B, C', H/2, W/2)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(ConvBlock(inputs, outputs), nn.AvgPool2d(2))


class UpBlock(nn.Sequential):
    """Nearest-neighbour upsampling and a `ConvBlock`: (B, C, H, W) -> (B, C', 2H, 2W)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(nn.Upsample(scale_factor=2), ConvBlock(inputs, outputs))


class ResidualBlock(nn.Module):
    """Pre-activation residual block; shapes stay."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return features + self.body(features)


class Hourglass(nn.Module):
    """U-Net of ``depth`` down and up blocks with skip connections; its input is the last skip.

    (B, inputs, H, W) -> (B, `channels`, H, W); H and W are multiples of 2**depth.
    """

    def __init__(self, inputs: int, width: int, max_width: int, depth: int) -> None:
        super().__init__()
        widths = [inputs, *(min(max_width, width * 2 ** (level + 1)) for level in range(depth))]
        self.down = nn.ModuleList(DownBlock(widths[level], widths[level + 1]) for level in range(depth))
        ups = []
        channels = widths[depth]
        for level in reversed(range(depth)):
            outputs = min(max_width, width * 2**level)
            ups.append(UpBlock(channels, outputs))
            channels = outputs + widths[level]
        self.up = nn.ModuleList(ups)
        self.channels = channels

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, `channels`, H, W)."""
        skips = []
        for block in self.down:
            skips.append(features)
            features = block(features)
        for block in self.up:
            features = torch.cat([block(features), skips.pop()], dim=1)
        return features


def shrink(image: Tensor, side: int) -> Tensor:
    """Resize (B, C, S, S) to (B, C, side, side) with antialiasing; a picture of that side is returned as it is."""
    if image.shape[-1] == side:
        return image
    return functional.interpolate(image, (side, side), mode="bilinear", align_corners=False, antialias=True)
