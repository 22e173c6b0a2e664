"""The network of the landmark backend ``annyheads``: 68 points in a square picture of one face.

`thedit.landmarks` trains it. It begins as EfficientNet-Lite0 (Apache-2.0), which also scores the metric `perceptual`:
that favours no method, since none is trained through this network. The points are read from its features at two
resolutions together, as PFLD does (Guo et al., 2019, section 3.3): the whole face and the place of each edge count.
"""

import math

import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

SIDE = 128  # of the picture in pixels, if nothing else is asked for
MARGIN = 1.4  # side of the square that the network sees, in sides of the face detector's box
FINE = 11  # blocks after which features have stride 16; after all of them it is 32
FINE_CHANNELS, COARSE_CHANNELS = 32, 128  # that the points are read from, of 112 and 320


class LandmarkNetwork(nn.Module):
    """Pictures (B, 3, side, side) in [-1, 1] -> points (B, 68, 2), normalised, in iBUG order.

    ``trunk``: EfficientNet-Lite0's weights to begin with; random ones without. ``side``: a multiple of 32.
    """

    def __init__(self, trunk: dict[str, Tensor] | None = None, side: int = SIDE) -> None:
        super().__init__()
        self.side = side
        network = EfficientNet.from_name("efficientnet-lite0")
        if trunk is not None:
            network.load_state_dict(trunk)
        self.stem = nn.Sequential(network._conv_stem, network._bn0, network._swish)
        self.fine, self.coarse = nn.Sequential(*network._blocks[:FINE]), nn.Sequential(*network._blocks[FINE:])
        self.read_fine, self.read_coarse = _read(112, FINE_CHANNELS), _read(320, COARSE_CHANNELS)
        self.place = nn.Linear(FINE_CHANNELS * (side // 16) ** 2 + COARSE_CHANNELS * (side // 32) ** 2, 2 * 68)
        self.to(memory_format=torch.channels_last)

    def forward(self, image: Tensor) -> Tensor:
        """See the class; the points are float32 whatever the arithmetic of the rest."""
        fine = self.fine(self.stem(image.contiguous(memory_format=torch.channels_last)))  # (B, 112, side/16, side/16)
        coarse = self.coarse(fine)  # (B, 320, side/32, side/32)
        features = torch.cat([self.read_fine(fine), self.read_coarse(coarse)], dim=1)
        with torch.autocast(image.device.type, enabled=False):  # half precision would round points to half a pixel
            return self.place(features.float()).unflatten(1, (68, 2))


def side_of(weights: dict[str, Tensor]) -> int:
    """Side of the pictures that ``weights`` of a `LandmarkNetwork` were trained with."""
    cells = weights["place.weight"].shape[1] // (4 * FINE_CHANNELS + COARSE_CHANNELS)  # of the coarse features
    return 32 * math.isqrt(cells)


def _read(inputs: int, outputs: int) -> nn.Sequential:
    """Features (B, inputs, H, W) -> numbers (B, outputs * H * W)."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU6(inplace=True), nn.Flatten()
    )
