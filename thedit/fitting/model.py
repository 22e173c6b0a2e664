"""The 68 landmarks as a linear function of identity and expression, with the priors that a fit needs."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

PATH = Path(__file__).with_name("landmarks.safetensors")
EXPRESSION_SIGMA = 0.3  # spread about 0 that a fit expects of an expression coefficient
INFLATION = 2.0  # of the landmarks' deviations: a person's landmarks err together, and in all frames alike


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
def landmark_model() -> LandmarkModel:
    """The head assets' landmarks, moved to where dlib's detector puts them (see `thedit.fitting.calibration`)."""
    tensors = {name: tensor.double() for name, tensor in load_file(PATH).items()}
    return LandmarkModel(
        mean=tensors["mean"] + tensors["offset"],
        identity=tensors["identity"],
        actions=tensors["actions"],
        sigma=tensors["sigma"] * INFLATION,
        identity_precision=torch.ones(len(tensors["identity"]), dtype=torch.float64),
        expression_precision=torch.full((len(tensors["actions"]),), EXPRESSION_SIGMA**-2, dtype=torch.float64),
    )
