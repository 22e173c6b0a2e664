"""Camera: where each frame is seen from, of a head's pose and a framing.

A camera is two things: how the head is turned towards the camera (pose), and where in the picture the head is
and how large (framing). The pose comes from the motion (`thedit.reenact.motion`) unless the user fixes it; the framing
is the driver's or the source's.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from thedit import camera

PERIOD = 4.0  # seconds in which an orbit swings to both sides and back


@dataclass(frozen=True)
class View:
    """What a user asks of the camera.

    framing     whose place and size in the picture the head has
    yaw, pitch  degrees; if either is given the camera stands there, whatever the driver's head does
    orbit       degrees to either side that the camera swings about the head, on top
    """

    framing: Literal["driver", "source"] = "driver"
    yaw: float | None = None
    pitch: float | None = None
    orbit: float = 0.0

    @property
    def moves(self) -> bool:
        """Whether the camera leaves the driver's place, which not every method can follow."""
        return self != View()

    def at(self, pose: Tensor, framing: Tensor, seconds: float) -> Tensor:
        """The camera (1, 25) at a time: axes ``pose`` (3, 3) in the head's, and place as a camera (1, 25) has it."""
        if self.yaw is not None or self.pitch is not None:
            pose = camera.orbit(self.yaw or 0.0, self.pitch or 0.0)[:3, :3]
        swing = math.radians(self.orbit * math.sin(2 * math.pi * seconds / PERIOD))
        return framed(_about_the_neck(swing) @ pose, framing)


def framed(pose: Tensor, framing: Tensor) -> Tensor:
    """A camera (1, 25) with the axes ``pose`` (3, 3) that sees the head's pivot where ``framing`` (1, 25) sees it."""
    cam2world, intrinsics = camera.split(framing)
    pivot = torch.tensor(camera.PIVOT)
    seen = cam2world[0, :3, :3].mT @ (pivot - cam2world[0, :3, 3])  # in the camera's axes
    moved = torch.eye(4)
    moved[:3, :3], moved[:3, 3] = pose, pivot - pose @ seen
    return camera.join(moved[None], intrinsics)


def _about_the_neck(angle: float) -> Tensor:
    """Rotation (3, 3) about the head's vertical axis."""
    cos, sin = math.cos(angle), math.sin(angle)
    return torch.tensor([[cos, 0.0, sin], [0.0, 1.0, 0.0], [-sin, 0.0, cos]])
