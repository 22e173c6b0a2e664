"""The 68 landmarks as a linear function of identity and expression, with the priors that a fit needs."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

PATH = Path(__file__).with_name("landmarks.safetensors")
CALIBRATED = ("dlib", "annyheads", "mediapipe")
# Numbers of identity and expression coefficients that 68 points determine in effect (trace of the Hessian's share that
# comes from the points, annyheads' errors, the mean head from the front, half of the expressions at their bound).
IDENTITY_FREEDOM, EXPRESSION_FREEDOM = 24.0, 7.0
EXPRESSION_SIGMA = 0.3  # spread about 0 that a fit expects of an expression coefficient


@dataclass(frozen=True)
class LandmarkModel:
    """Landmarks = mean + identity . a + blendshapes . c, in the head's frame and units of `thedit.camera`, float64.

    mean (L, 3), identity (K, L, 3), blendshapes (A, L, 3). Covariances of a detector's errors in world units, along and
    across the line of the eyes: person (2L, 2L) of the error that all pictures of a person share, frame (2L, 2L) of
    what differs from picture to picture. The precisions, identity (K,) and expression (A,), are the inverse variances
    of zero-mean normal priors. size () in [0, 1]: share of `freedom` with which heads come out as large as they are.
    """

    mean: Tensor
    identity: Tensor
    blendshapes: Tensor
    person: Tensor
    frame: Tensor
    size: Tensor
    identity_precision: Tensor
    expression_precision: Tensor

    def whitening(self, frames: int = 1) -> Tensor:
        """Matrix (2L, 2L) that makes errors independent and of deviation 1, for ``frames`` pictures fitted together.

        What a person's pictures share does not average out over them, so it weighs as often as they are many.
        """
        factor = torch.linalg.cholesky(frames * self.person + self.frame)
        return torch.linalg.solve_triangular(factor, torch.eye(len(factor), dtype=factor.dtype), upper=False)

    def freedom(self, frames: int = 0) -> float:
        """What the solver calls so, for each of ``frames`` that are to find one identity; 0: it is known."""
        identity = IDENTITY_FREEDOM / frames if frames else 0.0
        return float(self.size) * (identity + EXPRESSION_FREEDOM)

    @property
    def centroid(self) -> Tensor:
        """Mean of the landmarks (3,), about which heads turn in a fit."""
        return self.mean.mean(0)

    @property
    def eye_distance(self) -> Tensor:
        """Distance between the mean head's eye centres, world units."""
        return torch.linalg.vector_norm(self.mean[36:42].mean(0) - self.mean[42:48].mean(0))


@cache
def landmark_model(name: str = "dlib") -> LandmarkModel:
    """The head assets' landmarks, moved to where one of the `CALIBRATED` detectors puts them.

    See `thedit.landmarks.calibration`; `thedit.faces.registry` says which calibration is a network's.
    """
    return assemble(load_file(PATH), name)


def assemble(tensors: dict[str, Tensor], name: str) -> LandmarkModel:
    """The model of one of the `CALIBRATED` detectors from what the file holds."""
    tensors = {key: tensor.double() for key, tensor in tensors.items()}
    return LandmarkModel(
        mean=tensors["mean"] + tensors[f"{name}.offset"],
        identity=tensors["identity"],
        blendshapes=tensors["blendshapes"],
        person=tensors[f"{name}.person"],
        frame=tensors[f"{name}.frame"],
        size=tensors[f"{name}.size"],
        identity_precision=torch.ones(len(tensors["identity"]), dtype=torch.float64),
        expression_precision=torch.full((len(tensors["blendshapes"]),), EXPRESSION_SIGMA**-2, dtype=torch.float64),
    )
