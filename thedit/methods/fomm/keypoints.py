"""Unsupervised keypoints with local affine frames (Siarohin et al., NeurIPS 2019, section 3.1)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from thedit.methods.fomm.blocks import Hourglass
from thedit.methods.warp import full_precision, grid


class Keypoints(NamedTuple):
    """K local frames a picture: ``position`` (B, K, 2) as x, y in [-1, 1] and ``jacobian`` (B, K, 2, 2).

    They describe the map from the abstract reference frame R to the picture, to first order about each keypoint.
    """

    position: Tensor
    jacobian: Tensor


class KeypointDetector(nn.Module):
    """Pictures -> `Keypoints`: heat maps of an hourglass, and Jacobians averaged under them."""

    temperature = 0.1

    def __init__(self, keypoints: int, width: int, max_width: int, depth: int) -> None:
        super().__init__()
        self.hourglass = Hourglass(3, width, max_width, depth)
        self.heat = nn.Conv2d(self.hourglass.channels, keypoints, 7, padding=3)
        self.jacobian = nn.Conv2d(self.hourglass.channels, 4 * keypoints, 7, padding=3)
        nn.init.zeros_(self.jacobian.weight)
        with torch.no_grad():
            assert self.jacobian.bias is not None
            self.jacobian.bias.copy_(torch.eye(2).flatten().repeat(keypoints))

    def forward(self, image: Tensor) -> Keypoints:
        """(B, 3, side, side) in [-1, 1] -> K keypoints."""
        features = self.hourglass(image)  # (B, C, H, W), H = W = side
        return _average(self.heat(features).float() / self.temperature, self.jacobian(features).float())


@full_precision
def _average(heat: Tensor, jacobian: Tensor) -> Keypoints:
    """Logits of the heat (B, K, H, W) and maps (B, 4K, H, W) -> means under the heat's softmax."""
    heat_map = heat.flatten(2).softmax(dim=-1)  # (B, K, HW)
    pixels = grid(heat.shape[-2], heat.shape[-1], heat).flatten(0, 1)  # (HW, 2)
    maps = jacobian.flatten(2).unflatten(1, (-1, 4))  # (B, K, 4, HW)
    return Keypoints(heat_map @ pixels, torch.einsum("bkp,bkjp->bkj", heat_map, maps).unflatten(-1, (2, 2)))


def inverse(jacobian: Tensor) -> Tensor:
    """Inverse of 2 x 2 matrices (..., 2, 2); a determinant nearer to zero than 1e-4 counts as 1e-4."""
    (a, b), (c, d) = (row.unbind(-1) for row in jacobian.unbind(-2))
    determinant = a * d - b * c
    determinant = torch.where(determinant.abs() < 1e-4, 1e-4, determinant)
    return torch.stack([d, -b, -c, a], dim=-1).unflatten(-1, (2, 2)) / determinant[..., None, None]
