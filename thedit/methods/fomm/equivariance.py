"""Random smooth deformations that keypoints have to follow (Siarohin et al., NeurIPS 2019, section 3.3)."""

import torch
from torch import Tensor
from torch.nn import functional

from thedit.methods.fomm.keypoints import Keypoints, inverse
from thedit.methods.warp import full_precision, grid, warp


class Deformation:
    """A random map of the plane a picture: an affine map plus a thin-plate spline with 5 x 5 control points."""

    def __init__(self, batch: int, like: Tensor) -> None:
        device, dtype = like.device, like.dtype
        affine = torch.eye(2, 3, device=device, dtype=dtype)
        self.affine = affine + 0.05 * torch.randn(batch, 2, 3, device=device, dtype=dtype)
        self.weights = 0.005 * torch.randn(batch, 25, 2, device=device, dtype=dtype)
        steps = torch.linspace(-1, 1, 5, device=device, dtype=dtype)
        self.controls = torch.cartesian_prod(steps, steps)  # (25, 2)

    def __call__(self, points: Tensor) -> Tensor:
        """Points (B, N, 2) in [-1, 1] -> where they are looked up (B, N, 2)."""
        squared = self._offsets(points)[1]
        spline = (squared * squared.log() / 2) @ self.weights  # radial basis r^2 log r
        return points @ self.affine[:, :, :2].mT + self.affine[:, None, :, 2] + spline

    def jacobian(self, points: Tensor) -> Tensor:
        """Derivative (B, N, 2, 2) of the map at points (B, N, 2)."""
        offsets, squared = self._offsets(points)
        slope = offsets * (squared.log() + 1).unsqueeze(-1)  # (B, N, 25, 2), gradient of r^2 log r
        return self.affine[:, None, :, :2] + torch.einsum("bpi,bnpj->bnij", self.weights, slope)

    @full_precision
    def apply(self, image: Tensor) -> Tensor:
        """Picture (B, 3, S, S) -> the picture Y with Y(z) = X(T(z))."""
        side = image.shape[-1]
        pixels = grid(side, side, image).reshape(1, -1, 2)
        flow = self(pixels.expand(image.shape[0], -1, -1)) - pixels
        return warp(image, flow.mT.unflatten(-1, (side, side)))

    def _offsets(self, points: Tensor) -> tuple[Tensor, Tensor]:
        offsets = points.unsqueeze(2) - self.controls  # (B, N, 25, 2)
        return offsets, offsets.square().sum(-1).clamp_min(1e-12)


@full_precision
def equivariance_losses(original: Keypoints, deformed: Keypoints, deformation: Deformation) -> tuple[Tensor, Tensor]:
    """How far the keypoints of X differ from those of Y = X(T(.)) mapped by T; mean absolute differences.

    Of positions: p_X - T(p_Y). Of Jacobians: 1 - J_X^-1 T'(p_Y) J_Y.
    """
    position = functional.l1_loss(deformation(deformed.position), original.position)
    mapped = deformation.jacobian(deformed.position) @ deformed.jacobian  # (B, K, 2, 2)
    relative = inverse(original.jacobian) @ mapped
    return position, functional.l1_loss(relative, torch.eye(2, device=relative.device).expand_as(relative))
