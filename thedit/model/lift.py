"""What the source's picture shows at points of the tri-planes' box: feature maps, lifted by the source's camera."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from thedit import camera
from thedit.kernels.render import PLANE_AXES
from thedit.model.synthesis import Conv

SLICES = (-0.15, -0.05, 0.05, 0.15)
"""Where each plane is lifted to, in world units from the head's pivot along the axis that it lacks."""


class Lift(nn.Module):
    """Feature maps of pictures, seen at points on four slices along each of the three planes, and mixed.

    A point of the box is seen where the camera projects it to; outside of the picture the features are 0. What hides
    what is left to the layers that follow.
    """

    points: Tensor

    def __init__(self, inputs: int, outputs: int, side: int):
        super().__init__()
        self.mix = Conv(len(PLANE_AXES) * len(SLICES) * inputs, outputs, 1, active=False)
        self.register_buffer("points", _points(side), persistent=False)

    def forward(self, features: Tensor, cameras: Tensor) -> Tensor:
        """Features (B, I, H, H) of pictures with cameras (B, 25) -> (B, O, side, side)."""
        slices, side = self.points.shape[:2]
        seen = 2 * camera.project(self.points.flatten(0, 2), cameras) - 1  # (B, slices * side * side, 2)
        samples = functional.grid_sample(features, seen.unflatten(1, (slices * side, side)), align_corners=False)
        return self.mix(samples.unflatten(2, (slices, side)).flatten(1, 2))


def _points(side: int) -> Tensor:
    """World points (slices, side, side, 3) at the pixel centres of XY, XZ and YZ planes, rows along the second axis."""
    steps = (torch.arange(side) + 0.5) / side - 0.5
    slices = []
    for across, down in PLANE_AXES:
        (through,) = {0, 1, 2} - {across, down}
        for offset in SLICES:
            points = torch.zeros(side, side, 3)
            points[..., across], points[..., down] = steps, steps[:, None]
            points[..., through] = camera.PIVOT[through] + offset
            slices.append(points)
    return torch.stack(slices)
