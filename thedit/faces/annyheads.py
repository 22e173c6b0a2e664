"""68 landmarks by the project's own network, whose faces were synthetic heads alone: free for any use.

`thedit.landmarks` trains it; its weights come with the package and say in their metadata what they were made from.
"""

import itertools
import math

import cv2
import numpy as np
import safetensors
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.utils import fuse_conv_bn_eval

from thedit.errors import UserError
from thedit.faces.annyheads_network import MARGIN, LandmarkNetwork, side_of
from thedit.faces.registry import find


class AnnyHeadsLandmarks:
    """The vertices of AnnyHeads that stand for the iBUG landmarks, hidden ones too, in one pass on the CPU."""

    def __init__(self) -> None:
        path = find("landmarks", "annyheads").file
        try:
            weights = load_file(path)
            self._network = LandmarkNetwork(side=side_of(weights))
            self._network.load_state_dict(weights)
        except (OSError, safetensors.SafetensorError, RuntimeError, KeyError) as error:
            raise UserError(f"{path}: is missing or damaged; install the package again.") from error
        _fold(self._network.eval().requires_grad_(False))

    def __call__(self, pixels: np.ndarray, box: np.ndarray) -> np.ndarray:
        """Landmarks (68, 2)."""
        side = MARGIN * float((box[2:] - box[:2]).max())
        corner = (box[:2] + box[2:] - side) / 2
        view = torch.from_numpy(_square(pixels, corner, side, self._network.side)).permute(2, 0, 1)  # (3, S, S)
        with torch.inference_mode():
            points = self._network(view[None].float() / 127.5 - 1)[0]
        return points.double().numpy() * side + corner


def _fold(module: nn.Module) -> None:
    """Fold each batch normalisation into the convolution before it: the same points from fewer operations."""
    layers = list(module.named_children())
    for (name, layer), (following, norm) in itertools.pairwise(layers):
        if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(module, name, fuse_conv_bn_eval(layer, norm))
            setattr(module, following, nn.Identity())
    for _, layer in layers:
        _fold(layer)


def _square(pixels: np.ndarray, corner: np.ndarray, side: float, size: int) -> np.ndarray:
    """A square of pixels (H, W, 3), antialiased, as (size, size, 3); beyond the picture its edge is repeated."""
    finer = size * max(math.ceil(side / size), 1)
    scale = finer / side
    shift = 0.5 * scale - 0.5 - corner * scale  # OpenCV counts from the centre of the first pixel
    matrix = np.column_stack([np.eye(2) * scale, shift])
    view = cv2.warpAffine(pixels, matrix, (finer, finer), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(view, (size, size), interpolation=cv2.INTER_AREA)
