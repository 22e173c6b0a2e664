"""The baseline that is told the expression: tri-planes moved by fitted coefficients instead of a learned motion code.

It stands for the family of radiance fields that a 3D morphable model drives (e.g. Next3D, Sun et al., CVPR 2023;
ROME, Khakhulin et al., ECCV 2022), with encoder, generators, renderer, super-resolution and losses of this project, so
that it differs from `thedit.methods.planedict` only in what drives it: the 52 expression coefficients fitted to the
driving frame's landmarks, mapped to motion planes without a dictionary.
"""

from typing import Any

from torch import Tensor, nn

from thedit.methods.planedict import PlaneDict
from thedit.model.network import Codes
from thedit.model.synthesis import Linear, activate
from thedit.shards.batch import FrameBatch


class CoefficientTriplanes(PlaneDict):
    """Tri-planes of the source, displaced by a generator that sees only the driver's expression coefficients.

    ``options`` as in `PlaneDict`. Identity cannot leak through the coefficients, so that nothing is needed that keeps
    it from doing so: no cross-identity step, no other view of the driver, no changes of it, no pictures without motion,
    no loss on what motion codes share, no narrow motion code.
    """

    def __init__(self, preset: str, size: int, **options: Any):
        unneeded = {
            "cross_every": 0,
            "driving_view": "picture",
            "augment_driving": False,
            "motion_dropout": 0.0,
            "shared_motion": 0.0,
        }
        super().__init__(preset, size, **{"dictionary": False, "motion_code": 64} | unneeded | options)
        code = self.options.motion_code
        self.mapping = nn.ModuleList([Linear(52, code), Linear(code, code)])

    def codes(self, frames: FrameBatch) -> Codes:
        """Identity codes of B pictures and motion codes of their expressions."""
        return self.network.encode(frames.image)._replace(motion=self.motion_code(frames))

    def motion_code(self, driving: FrameBatch) -> Tensor:
        """Motion codes (B, M) of the expression coefficients of B frames."""
        first, second = self.mapping
        return second(activate(first(2 * driving.expression - 1)))

    def _encode_both(self, source: FrameBatch, driving: FrameBatch) -> tuple[Codes, Codes]:
        return self.codes(source), self.codes(driving)
