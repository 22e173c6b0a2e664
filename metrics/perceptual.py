"""Perceptual distance: how differently a network of image features sees two pictures (Zhang et al., CVPR 2018)."""

from collections.abc import Iterable, Sequence
from functools import reduce

import torch
from torch import Tensor

STRIP = 1 << 12  # places of a layer that are compared at a time: float64 takes twice the features' own memory


def perceptual_distance(
    prediction: Iterable[Tensor], target: Iterable[Tensor], weights: Sequence[Tensor] | None = None
) -> Tensor:
    """Distance (B,) >= 0, float64, of two pyramids of features, each layer (B, C, H, W); lower is better.

    Every layer's feature vectors are scaled to length 1; squared differences are weighted over the channels,
    averaged over places, and summed over layers. ``weights``, a (C,) a layer, are LPIPS's learned ones; without them
    all channels count alike and layers are averaged, so the distance lies in [0, 4]. Both pyramids are gone through
    once, layer by layer. Raises ValueError if they differ in shape.
    """
    distances = []
    for layer, (x, y) in enumerate(zip(prediction, target, strict=True)):
        if x.shape != y.shape:
            raise ValueError(f"layer {layer} must have one shape in both, not {tuple(x.shape)} and {tuple(y.shape)}")
        distances.append(_distance(x, y, torch.ones(x.shape[1]) if weights is None else weights[layer]))
    if weights is None:
        distances = [one / len(distances) for one in distances]
    return reduce(torch.add, distances)


def _distance(x: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    """Distance (B,) of two layers (B, C, H, W), channels weighted (C,)."""
    places = x.new_empty(len(x), *x.shape[2:], dtype=torch.float64)
    rows = max(1, STRIP // x.shape[3])
    for top in range(0, x.shape[2], rows):
        part = slice(top, top + rows)
        squared = (_unit(x[:, :, part]) - _unit(y[:, :, part])).square()
        places[:, part] = (squared * weights.double()[:, None, None]).sum(1)
    return places.mean((1, 2))


def _unit(features: Tensor) -> Tensor:
    """Feature vectors of length 1, float64; 1e-10 keeps all-zero ones at zero."""
    features = features.double()
    return features / (features.square().sum(1, keepdim=True).sqrt() + 1e-10)
