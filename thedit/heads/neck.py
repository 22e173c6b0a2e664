"""The neck: what goes with the head, what with the body, and how the body is turned against the head."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thedit import camera
from thedit.heads.strands import smoothstep

NECK = (0.0, -0.16, -0.04)  # the point that head and body turn about, on the mean face
# Share of the head's yaw, pitch and roll against the camera that the body does not take part in.
STIFF = (0.5, 0.75, 0.5)


def follow(rest: NDArray[np.floating]) -> NDArray[np.floating]:
    """How far (V,) places (V, 3) of the mean face go with the body: 0 on the head, 1 on the shoulders."""
    return smoothstep(0, 1, (-0.12 - (rest[:, 1] + 0.5 * rest[:, 2])) / 0.18)


def body_turn(recorded: Tensor, body_yaw: float) -> Tensor:
    """Rotation vectors (T, 3), radians, of the body seen from the head: it keeps facing the camera, mostly."""
    yaw, pitch, roll = camera.angles(camera.split(recorded.float().cpu())[0]).unbind(-1)
    turn = torch.stack([-STIFF[0] * pitch, STIFF[1] * yaw + body_yaw, -STIFF[2] * roll], dim=-1)
    return torch.deg2rad(turn)
