"""Motion as a linear code over bases: what can be added and scaled, so that a user may choose how much is shown."""

from typing import NamedTuple

from torch import Tensor


class Motion(NamedTuple):
    """The motion of B frames.

    factors  (B, N, ...) by what each of N bases is multiplied
    style    (B, M) the code that they were made from, where layers behind the bases take it too; M may be 0
    """

    factors: Tensor
    style: Tensor

    def moved(self, strength: float, driver: "Motion", origin: "Motion") -> "Motion":
        """``strength`` times the way from ``origin`` to ``driver``, walked from here: 0 stays here.

        From one's own motion as origin, 1 arrives at the driver's.
        """
        return Motion(*(own + strength * (there - start) for own, there, start in zip(self, driver, origin)))
