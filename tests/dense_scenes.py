"""Small networks of planedict-dense, and scenes whose answer is known."""

import torch

from thedit import camera
from thedit.kernels import render as kernel
from thedit.methods.dense import DensePlaneDict
from thedit.model.dense import source

SIZE = 32
OPTIONS = {"encoder_channel_base": 256, "channel_base": 256, "channel_max": 32, "identity_code": 16,
           "motion_code": 8, "plane_size": 16,
           "plane_channels": 8, "grid": 8, "bases": 4, "hidden": 8, "neural_size": 16, "neural_start": 16,
           "super_widths": (16, 8), "source_channels": 6}  # fmt: skip


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def build(**options):
    torch.manual_seed(0)
    return DensePlaneDict("tiny", SIZE, **{**OPTIONS, **options})


@torch.no_grad()
def scrambled(**options):
    """A method whose offsets are not zero, ready to drive."""
    method = build(**options).eval()
    method.network.renderer.second.weight[1:4].normal_(generator=generator(1))
    return method


def look_from(yaw, count=1):
    return camera.join(camera.orbit(yaw, 0.0), camera.intrinsics()).expand(count, -1)


def picture_of(wide, cameras, distance=2.7, features=None):
    """A source that shows a flat surface everywhere at one distance from its camera."""
    count, side = len(wide), wide.shape[-1] * 2 // 3
    return source.Source(
        wide=wide,
        camera=source.wide_camera(cameras),
        features=torch.zeros(count, 6, side, side) if features is None else features,
        distance=torch.full((count, 1, 24, 24), distance),
        background=torch.zeros(count, 3, side, side),
        background_features=torch.zeros(count, 6, side, side),
        kept=torch.ones(count, 1, 16, 16),
    )


def solid_ball(renderer, size=16):
    """Planes whose density is a ball about the pivot: feature 0 of each plane is high near its projection."""
    steps = (torch.arange(64) + 0.5) / 64 - 0.5
    planes = torch.zeros(1, 3, 8, 64, 64)
    for index, (across, down) in enumerate(kernel.PLANE_AXES):
        x, y = steps - camera.PIVOT[across], (steps - camera.PIVOT[down])[:, None]
        planes[0, index, 0] = 300 * (0.02 - x.square() - y.square())
    with torch.no_grad():
        renderer.first.weight.zero_()
        renderer.first.weight[:, 0] = 8.0
        renderer.second.weight[0], renderer.second.bias[0] = 1.0, -4.0
    return planes
