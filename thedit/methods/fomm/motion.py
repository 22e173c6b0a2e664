"""From two sets of keypoints to a dense flow and an occlusion map (Siarohin et al., NeurIPS 2019, section 3.2)."""

import torch
from torch import Tensor, nn

from thedit.methods.fomm.blocks import Hourglass
from thedit.methods.fomm.keypoints import Keypoints, inverse
from thedit.methods.warp import full_precision, grid, warp


@full_precision
def sparse_flows(source: Keypoints, driving: Keypoints, side: int) -> Tensor:
    """Flow of each keypoint's local affine map, and first the still background's: (B, K+1, 2, side, side).

    Equation 4: T(z) = p_s + J_s J_d^-1 (z - p_d), here as the displacement T(z) - z.
    """
    pixels = grid(side, side, source.position)  # (H, W, 2)
    jacobian = source.jacobian @ inverse(driving.jacobian)  # (B, K, 2, 2)
    offsets = pixels - driving.position[:, :, None, None]  # (B, K, H, W, 2)
    moved = torch.einsum("bkij,bkhwj->bkhwi", jacobian, offsets) + source.position[:, :, None, None]
    flows = (moved - pixels).permute(0, 1, 4, 2, 3)  # (B, K, 2, H, W)
    return torch.cat([torch.zeros_like(flows[:, :1]), flows], dim=1)


def heat_difference(source: Keypoints, driving: Keypoints, side: int, variance: float = 0.01) -> Tensor:
    """Where motion happens: Gaussians at the driving keypoints less those at the source's (equation 6).

    Returns (B, K+1, side, side) in [-1, 1]; the first map, the background's, is zero.
    """
    pixels = grid(side, side, source.position)

    def gaussians(position: Tensor) -> Tensor:  # (B, K, 2) -> (B, K, H, W)
        return (-(pixels - position[:, :, None, None]).square().sum(-1) / variance).exp()

    difference = gaussians(driving.position) - gaussians(source.position)
    return torch.cat([torch.zeros_like(difference[:, :1]), difference], dim=1)


class DenseMotion(nn.Module):
    """Mixes the K+1 sparse flows with predicted masks (equation 7) and predicts what the source cannot show."""

    def __init__(self, keypoints: int, width: int, max_width: int, depth: int) -> None:
        super().__init__()
        self.hourglass = Hourglass((keypoints + 1) * 4, width, max_width, depth)
        self.mask = nn.Conv2d(self.hourglass.channels, keypoints + 1, 7, padding=3)
        self.occlusion = nn.Conv2d(self.hourglass.channels, 1, 7, padding=3)

    def forward(self, image: Tensor, source: Keypoints, driving: Keypoints) -> tuple[Tensor, Tensor]:
        """Source picture (B, 3, side, side) and keypoints -> flow (B, 2, side, side), visibility (B, 1, side, side)."""
        side = image.shape[-1]
        flows = sparse_flows(source, driving, side)  # (B, K+1, 2, H, W)
        count = flows.shape[1]
        deformed = warp(image.repeat_interleave(count, 0), flows.flatten(0, 1)).unflatten(0, (-1, count))
        heat = heat_difference(source, driving, side).unsqueeze(2)  # (B, K+1, 1, H, W)
        features = self.hourglass(torch.cat([heat, deformed], dim=2).flatten(1, 2))  # (B, C, H, W)
        mask = self.mask(features).softmax(dim=1).unsqueeze(2)  # (B, K+1, 1, H, W)
        return (mask * flows).sum(1), self.occlusion(features).sigmoid()
