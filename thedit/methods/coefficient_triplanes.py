"""The baseline that is told the expression: tri-planes moved by fitted coefficients instead of a learned motion code.

It stands for the family of radiance fields that a 3D morphable model drives (e.g. Next3D, Sun et al., CVPR 2023;
ROME, Khakhulin et al., ECCV 2022), with encoder, generators, renderer, super-resolution and losses of this project, so
that it differs from `thedit.methods.planedict` only in what drives it: the 52 expression coefficients fitted to the
driving frame's landmarks, mapped to motion planes without a dictionary.
"""

from typing import Any

import torch
from torch import Tensor, nn

from thedit.methods.planedict import PlaneDict, Source
from thedit.model.network import Codes
from thedit.model.synthesis import Linear, activate
from thedit.shards.batch import FrameBatch


class CoefficientTriplanes(PlaneDict):
    """Tri-planes of the source, displaced by a generator that sees only the driver's expression coefficients.

    ``options`` as in `PlaneDict`. Identity cannot leak through the coefficients, so that neither the cross-identity
    step nor the augmentation of the driving picture is needed, nor pictures without motion, nor a narrow motion code.
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

    def motion(self, expression: Tensor) -> Tensor:
        """Expression coefficients (B, 52) in [0, 1] -> motion codes (B, M)."""
        first, second = self.mapping
        return second(activate(first(2 * expression - 1)))

    def drive(self, code: Source, driving: FrameBatch, camera: Tensor) -> Tensor:
        """The sources with the driver's expression, seen by ``camera`` (B, 25): pictures (B, 3, S, S) in [-1, 1]."""
        motion = self.motion(driving.expression)
        planes = self.network.planes(code.planes, motion)
        return self.network.view(planes, Codes(code.codes.identity, motion), camera).full.clamp(-1, 1)

    def _encode_both(self, source: FrameBatch, driving: FrameBatch) -> tuple[Codes, Codes]:
        identity = self.network.encode(torch.cat([source.image, driving.image])).identity
        motion = self.motion(torch.cat([source.expression, driving.expression]))
        b = len(source)
        return Codes(identity[:b], motion[:b]), Codes(identity[b:], motion[b:])
