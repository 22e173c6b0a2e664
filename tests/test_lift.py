"""Lifted feature maps: what a point of a plane holds is what the camera sees there."""

import pytest
import torch
from torch import nn

from thedit import camera
from thedit.kernels.render import PLANE_AXES, sample_planes
from thedit.model.lift import SLICES, Lift

SIDE = 64


def coordinates(side: int) -> torch.Tensor:
    """A map (1, 2, side, side) of the picture coordinates of its pixels' centres."""
    steps = (torch.arange(side) + 0.5) / side
    return torch.stack(torch.meshgrid(steps, steps, indexing="xy")).unsqueeze(0)


@pytest.mark.parametrize("yaw, pitch", [(0.0, 0.0), (35.0, -10.0)])
def test_a_point_of_a_plane_holds_what_the_camera_sees_there(yaw, pitch):
    label = camera.join(camera.orbit(yaw, pitch), camera.intrinsics()).unsqueeze(0)
    lift = Lift(2, 2, SIDE)
    lift.mix = nn.Identity()
    slices = lift(coordinates(128), label).unflatten(1, (2, len(PLANE_AXES), len(SLICES)))
    torch.manual_seed(0)
    for plane, axes in enumerate(PLANE_AXES):
        (through,) = {0, 1, 2} - set(axes)
        for number, offset in enumerate(SLICES):
            points = 0.3 * torch.rand(1, 50, 3) - 0.15 + torch.tensor(camera.PIVOT)
            points[..., through] = camera.PIVOT[through] + offset
            planes = torch.zeros(1, 3, 2, SIDE, SIDE)
            planes[:, plane] = 3 * slices[:, :, plane, number]  # the renderer takes the mean of three planes
            torch.testing.assert_close(sample_planes(planes, points), camera.project(points, label), atol=1e-3, rtol=0)


def test_outside_of_the_picture_there_is_nothing():
    label = camera.join(camera.orbit(0.0, 0.0), camera.intrinsics(focal=20.0)).unsqueeze(0)
    lift = Lift(1, 1, SIDE)
    lift.mix = nn.Identity()
    lifted = lift(torch.ones(1, 1, 32, 32), label)
    assert lifted[0, 0, SIDE // 2, SIDE // 2] == 1 and lifted[0, 0, 0, 0] == 0
