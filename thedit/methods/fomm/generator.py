"""Warps the source's features and paints the rest (Siarohin et al., NeurIPS 2019, section 3.2 and supplement A)."""

from torch import Tensor, nn
from torch.nn import functional

from thedit.methods.fomm.blocks import ConvBlock, DownBlock, ResidualBlock, UpBlock
from thedit.methods.warp import warp


class Generator(nn.Module):
    """The encoder-decoder of Johnson et al. (ECCV 2016) with a warp and an occlusion mask at its bottleneck."""

    def __init__(self, width: int, max_width: int, down_blocks: int, residual_blocks: int) -> None:
        super().__init__()
        widths = [min(max_width, width * 2**level) for level in range(down_blocks + 1)]
        levels = range(down_blocks)
        self.encoder = nn.Sequential(
            ConvBlock(3, widths[0], 7), *(DownBlock(widths[level], widths[level + 1]) for level in levels)
        )
        self.decoder = nn.Sequential(
            *(ResidualBlock(widths[-1]) for _ in range(residual_blocks)),
            *(UpBlock(widths[level + 1], widths[level]) for level in reversed(levels)),
            nn.Conv2d(widths[0], 3, 7, padding=3),
        )

    def forward(self, features: Tensor, flow: Tensor, visibility: Tensor) -> Tensor:
        """``encoder``'s features (B, C, s, s), flow (B, 2, h, w), visibility (B, 1, h, w) -> picture in [-1, 1]."""
        visibility = functional.interpolate(visibility, features.shape[-2:], mode="bilinear", align_corners=False)
        return self.decoder(warp(features, flow) * visibility).tanh()  # (B, 3, S, S)
