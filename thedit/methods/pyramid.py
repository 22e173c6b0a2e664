"""The multi-scale perceptual loss that FOMM and LIA share (Siarohin et al., 2019, section 3.3)."""

import torch
from torch import Tensor
from torch.nn import functional

from thedit.methods.features import perceptual


def pyramid_loss(image: Tensor, target: Tensor, smallest: int = 32) -> Tensor:
    """`perceptual` at full, half, quarter and eighth size, as far as ``smallest``; the mean over the sizes.

    Both (B, 3, S, S) in [-1, 1]; gradients flow to ``image`` only.
    """
    terms = [perceptual(image, target)]
    while image.shape[-1] // 2 >= smallest and len(terms) < 4:
        image, target = functional.avg_pool2d(image, 2), functional.avg_pool2d(target, 2)
        terms.append(perceptual(image, target))
    return torch.stack(terms).mean()
