"""The 68 landmarks as a linear function of identity and expression, with the priors that a fit needs."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from thedit.fitting.calibration import Calibration
from thedit.heads import assets

EXPRESSION_SIGMA = 0.3  # spread about 0 that a fit expects of an expression coefficient


@dataclass(frozen=True)
class LandmarkModel:
    """Landmarks = mean + identity . a + actions . c, in the head's frame and units of `thedit.camera`, float64.

    mean (L, 3), identity (K, L, 3), actions (A, L, 3). sigma (L, 2): standard deviation of a detected landmark along
    and across the face's contour, in world units. The precisions, identity (K,) and expression (A,), are the inverse
    variances of zero-mean normal priors.
    """

    mean: Tensor
    identity: Tensor
    actions: Tensor
    sigma: Tensor
    identity_precision: Tensor
    expression_precision: Tensor

    @property
    def centroid(self) -> Tensor:
        """Mean of the landmarks (3,), about which heads turn in a fit."""
        return self.mean.mean(0)

    @property
    def eye_distance(self) -> Tensor:
        """Distance between the mean head's eye centres, world units."""
        return torch.linalg.vector_norm(self.mean[36:42].mean(0) - self.mean[42:48].mean(0))


@cache
def landmark_model(path: str | Path = assets.PATH, calibrated: bool = True) -> LandmarkModel:
    """The model of the head assets at ``path``, its points moved to where the landmark detector puts them.

    Without calibration the points are the mesh's own and all landmarks count alike.
    """
    heads = assets.load(path)
    mean, identity, actions = (
        tensor[..., heads.landmarks, :].double() for tensor in (heads.mean, heads.identity, heads.actions)
    )
    calibration = Calibration.load() if calibrated else Calibration.none()
    return LandmarkModel(
        mean=mean + calibration.offset,
        identity=identity,
        actions=actions,
        sigma=calibration.sigma,
        identity_precision=mean.new_ones(len(identity)),
        expression_precision=mean.new_full((len(actions),), EXPRESSION_SIGMA**-2),
    )
