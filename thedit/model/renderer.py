"""From tri-planes and a camera to a feature picture, and from there to the full size (Chan et al., CVPR 2022)."""

import torch
from torch import Tensor, nn

from thedit import camera
from thedit.errors import UserError
from thedit.kernels import render as kernel
from thedit.model.synthesis import Linear, SynthesisBlock

NEAR, FAR = 2.25, 3.3
"""Where rays begin and end, in world units from a camera at `thedit.camera.RADIUS` from the head's pivot."""


class Renderer(nn.Module):
    """Renders planes of F channels to features of F channels, through a softplus network of ``hidden`` units."""

    def __init__(self, channels: int, hidden: int, coarse: int, fine: int):
        super().__init__()
        self.first = Linear(channels, hidden)
        self.second = Linear(hidden, 1 + channels)
        self.coarse, self.fine = coarse, fine

    def forward(self, planes: Tensor, cameras: Tensor, size: int, jitter: bool = False) -> Tensor:
        """Planes (B, 3, F, R, R) and cameras (B, 25) -> features (B, F, size, size) in [0, 1].

        ``jitter`` places the samples at random in their intervals; without it they sit in the middle.
        """
        origins, directions, _ = rays(cameras, size)
        shape = (*origins.shape[:2], self.coarse + self.fine)
        noise = torch.rand(shape, device=planes.device) if jitter else None
        rendering = kernel.render(planes, self.decoder(), origins, directions, NEAR, FAR, self.coarse, self.fine, noise)
        return rendering.features.transpose(1, 2).unflatten(2, (size, size))

    def distance(self, planes: Tensor, cameras: Tensor, size: int) -> Tensor:
        """Distance (B, size, size) from the camera's centre to what each pixel shows, in world units."""
        origins, directions, ahead = rays(cameras, size)
        rendering = kernel.render(planes, self.decoder(), origins, directions, NEAR, FAR, self.coarse, self.fine)
        return (rendering.distance(FAR) + ahead[:, None]).unflatten(1, (size, size))

    def density(self, planes: Tensor, points: Tensor) -> Tensor:
        """Density (B, P) of planes (B, 3, F, R, R) at world points (B, P, 3)."""
        return kernel.density(planes, self.decoder(), points)

    def decoder(self) -> kernel.Decoder:
        """The network's weights as the kernels take them."""
        first, second = self.first, self.second
        return kernel.Decoder(first.weight * first.scale, first.bias, second.weight * second.scale, second.bias)


def rays(cameras: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Rays (B, size * size, 3) of cameras (B, 25) that begin `thedit.camera.RADIUS` from the head's pivot.

    Returns origins, unit directions, and how far (B,) the cameras' centres are from the origins.
    """
    origins, directions = camera.rays(cameras, size)
    ahead = torch.linalg.vector_norm(cameras[:, 3:12:4] - camera.pivot(cameras), dim=-1) - camera.RADIUS
    return origins + ahead[:, None, None] * directions, directions, ahead


class SuperResolution(nn.Module):
    """Two modulated blocks from features and picture of side ``low`` to a picture of side 1, 2 or 4 times that."""

    def __init__(self, channels: int, style: int, low: int, size: int, widths: tuple[int, int]):
        super().__init__()
        if size not in (low, 2 * low, 4 * low):
            raise UserError(f"neural_size: is {low}, but must be 1, 1/2 or 1/4 of the picture's side {size}.")
        self.first = SynthesisBlock(channels, widths[0], 3, style, up=size == 4 * low)
        self.second = SynthesisBlock(widths[0], widths[1], 3, style, up=size >= 2 * low)
        self.to(memory_format=torch.channels_last)

    def forward(self, features: Tensor, picture: Tensor, style: Tensor) -> Tensor:
        """Features (B, F, low, low), picture (B, 3, low, low) and style (B, S) -> picture (B, 3, size, size)."""
        x, picture = self.first(features.contiguous(memory_format=torch.channels_last), picture, style)
        return self.second(x, picture, style)[1]
