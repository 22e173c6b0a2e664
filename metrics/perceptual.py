"""Perceptual distance: how differently a network of image features sees two pictures (Zhang et al., CVPR 2018)."""

from collections.abc import Sequence

import torch
from torch import Tensor


def perceptual_distance(
    prediction: Sequence[Tensor], target: Sequence[Tensor], weights: Sequence[Tensor] | None = None
) -> Tensor:
    """Distance (B,) >= 0, float64, of two pyramids of features, each layer (B, C, H, W); lower is better.

    Every layer's feature vectors are scaled to length 1; squared differences are weighted over the channels,
    averaged over places, and summed over layers. ``weights``, a (C,) a layer, are LPIPS's learned ones; without them
    all channels count alike and layers are averaged, so the distance lies in [0, 4]. Raises ValueError if the pyramids
    differ in shape.
    """
    if [x.shape for x in prediction] != [y.shape for y in target]:
        raise ValueError("both pyramids must have the same layers")
    total = prediction[0].new_zeros(len(prediction[0]), dtype=torch.float64)
    for layer, (x, y) in enumerate(zip(prediction, target)):
        squared = (_unit(x) - _unit(y)).square()  # (B, C, H, W)
        if weights is None:
            total += squared.sum(1).mean((1, 2)) / len(prediction)
        else:
            total += (squared * weights[layer].double()[:, None, None]).sum(1).mean((1, 2))
    return total


def _unit(features: Tensor) -> Tensor:
    """Feature vectors of length 1, float64; 1e-10 keeps all-zero ones at zero."""
    features = features.double()
    return features / (features.square().sum(1, keepdim=True).sqrt() + 1e-10)
