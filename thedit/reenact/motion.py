"""Motion: what of the driver reaches the source.

The expression is a linear code over plane bases and the pose a rotation. For both, what is shown is one line:

    own + strength * (driver - origin)

``origin`` is the source's own motion, from which strength 1 leads to the driver's; or, relative, the driver's first
frame, so that only what changes since then is added to what the source does in its picture. Of rotations, adding is
turning on.
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from thedit import camera
from thedit.methods.base import Method
from thedit.methods.motion import Motion
from thedit.shards.batch import FrameBatch


@dataclass(frozen=True)
class Transfer:
    """What a user asks of the motion; ``strength`` 0 is none of it, 1 the driver's, 2 twice as much."""

    what: Literal["all", "pose", "expression"] = "all"
    strength: float = 1.0
    relative: bool = False

    @property
    def mixes(self) -> bool:
        """Whether codes are added or scaled, which takes a method with a linear code."""
        return self.strength != 1 or self.relative

    def expression(self, own: Motion, driver: Motion, origin: Motion) -> Motion:
        """The motion code that is shown."""
        return own if self.what == "pose" else own.moved(self.strength, driver, origin if self.relative else own)

    def pose(self, own: Tensor, driver: Tensor, origin: Tensor) -> Tensor:
        """The camera's axes (3, 3) in the head's that are shown."""
        return (
            own if self.what == "expression" else turned(own, self.strength, driver, origin if self.relative else own)
        )


class Mover:
    """One source and what moves it: the motion code and the pose of each driving frame.

    ``code`` is what the method made of the frames ``source``, and ``first`` the driver's first usable frame.
    """

    def __init__(self, method: Method, code: Any, source: FrameBatch, first: FrameBatch):
        self.method, self.code, self.source = method, code, source
        self._pose, self._first_pose = pose(source), pose(first)
        if method.linear:
            self._own, self._first = method.motion_of(code, source[:1]), method.motion_of(code, first)

    @property
    def scale(self) -> Tensor:
        """How large (N) the factors of the plane bases are, root mean square; none without a linear code."""
        factors = self._own.factors[:1] if self.method.linear else torch.zeros(1, 0)
        return factors.flatten(2).square().mean((0, 2)).sqrt() if factors.ndim > 2 else factors[0].abs()

    def pose(self, driving: FrameBatch, transfer: Transfer) -> Tensor:
        """The camera's axes (3, 3) in the head's for a driving frame (1)."""
        return transfer.pose(self._pose, pose(driving), self._first_pose)

    def picture(self, driving: FrameBatch, transfer: Transfer, view: Tensor, shifts: Tensor | None = None) -> Tensor:
        """The source as a driving frame (1) moves it, seen by ``view`` (1, 25): (1, 3, S, S) in [-1, 1].

        ``shifts`` (N) are added to the factors of the plane bases.
        """
        if not self.method.linear:
            return self.method.drive(self.code, self.source[:1] if transfer.what == "pose" else driving, view)
        motion = transfer.expression(self._own, self.method.motion_of(self.code, driving), self._first)
        if shifts is not None:
            factors = motion.factors
            motion = motion._replace(factors=factors + shifts.to(factors).view(1, -1, *[1] * (factors.ndim - 2)))
        return self.method.show(self.code, motion, view)


def pose(frame: FrameBatch) -> Tensor:
    """The camera's axes (3, 3) in the head's, of the first frame."""
    return camera.split(frame.camera)[0][0, :3, :3].float().cpu()


def turned(own: Tensor, strength: float, driver: Tensor, origin: Tensor) -> Tensor:
    """``own`` turned on by ``strength`` times the turn from ``origin`` to ``driver``, all (3, 3) axes of a camera.

    The turn is the head's as the camera sees it, so that a nod stays a nod whichever way the source looks.
    """
    turn = Rotation.from_matrix((driver.mT @ origin).double().numpy())  # in the camera's axes
    on = Rotation.from_rotvec(strength * turn.as_rotvec()).as_matrix()
    return (own.double() @ torch.from_numpy(on).mT).float()
