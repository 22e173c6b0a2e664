"""Expression tracking: do mouth, eyes and brows of the result open and close when those of the true face do?

T: the frames of a pair, which show one person in different expressions. K: curves over these frames.
"""

import torch
from torch import Tensor

from thedit.heads.assets import BLENDSHAPES

# Distances that are averaged, as pairs of iBUG landmarks; right and left are the person's own.
GAPS = {
    "mouth-height": ((61, 67), (62, 66), (63, 65)),
    "mouth-width": ((48, 54),),
    "right-eye": ((37, 41), (38, 40)),
    "left-eye": ((43, 47), (44, 46)),
}
BROWS, EYE_CORNERS = slice(17, 27), [36, 39, 42, 45]
# What each opening trembles by where nothing moves: standard deviation of the error of the landmark network
# `annyheads` within a clip, median of 32 clips of AnnyHeads. Truth that moves less is left out of correlations.
STILL = {"mouth-height": 0.016, "mouth-width": 0.019, "right-eye": 0.009, "left-eye": 0.009, "brows": 0.008}
STILL_GAZE = {"gaze-across": 0.05, "gaze-up": 0.05}  # of blendshapes in [0, 1]
FEWEST = 3  # frames that tell whether two curves are alike


def openings(landmarks: Tensor) -> Tensor:
    """How far mouth, eyes and brows are open: (T, 5), order of `STILL`, float64, from 68 landmarks (T, 68, 2).

    Relative to the distance of the outer corners of the eyes in the same frame, so that neither the picture's size nor
    how near the face is matters. The brows' is their height above the corners of the eyes, across the line of the
    eyes. NaN where landmarks are.
    """
    points = landmarks.double()
    across = points[:, 45] - points[:, 36]
    distance = torch.linalg.vector_norm(across, dim=1)
    gaps = [
        torch.stack([torch.linalg.vector_norm(points[:, i] - points[:, j], dim=1) for i, j in pairs]).mean(0)
        for pairs in GAPS.values()
    ]
    rise = points[:, EYE_CORNERS].mean(1) - points[:, BROWS].mean(1)
    brows = (across[:, 0] * rise[:, 1] - across[:, 1] * rise[:, 0]) / distance
    return torch.stack([*gaps, brows], dim=1) / distance[:, None]


def gaze(blendshapes: Tensor) -> Tensor:
    """Where both eyes look, to the person's left and up: (T, 2) in [-1, 1] from 52 blendshapes (T, 52)."""
    left, right = (
        {
            name: blendshapes[:, BLENDSHAPES.index(f"eyeLook{name}{side}")].double()
            for name in ("In", "Out", "Up", "Down")
        }
        for side in ("Left", "Right")
    )
    across = (left["Out"] - left["In"] + right["In"] - right["Out"]) / 2
    up = (left["Up"] - left["Down"] + right["Up"] - right["Down"]) / 2
    return torch.stack([across, up], dim=1)


def moves(reference: Tensor, still: Tensor) -> Tensor:
    """Whether curves (T, K) vary by more than ``still`` (K,), in standard deviations: (K,), bool.

    NaN frames are left out; with fewer than `FEWEST` others nothing moves.
    """
    known = reference[reference.isfinite().all(1)]
    if len(known) < FEWEST:
        return torch.zeros(reference.shape[1], dtype=torch.bool)
    return known.std(0, correction=0) > still


def correlation(prediction: Tensor, reference: Tensor) -> Tensor:
    """Each frame's share (T, K) in Pearson's correlation of curves (T, K): the mean over the frames is the correlation.

    A prediction that does not move follows nothing: 0. Frames in which either is NaN are left out and stay NaN; so does
    everything if fewer than `FEWEST` are left. Raises ValueError for other shapes.
    """
    if prediction.ndim != 2 or prediction.shape != reference.shape:
        raise ValueError(f"curves must be two times (T, K), not {tuple(prediction.shape)} and {tuple(reference.shape)}")
    known = _known(prediction, reference)
    shares = torch.full(prediction.shape, torch.nan, dtype=torch.float64)
    if known.sum() >= FEWEST:
        ours, theirs = (_standard(curves[known].double()) for curves in (prediction, reference))
        shares[known] = ours * theirs
    return shares


def centred(prediction: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """Both curves (T, K) without their means over the frames in which neither is NaN."""
    known = _known(prediction, reference)
    return prediction - prediction[known].mean(0), reference - reference[known].mean(0)


def _known(prediction: Tensor, reference: Tensor) -> Tensor:
    return (prediction.isfinite() & reference.isfinite()).all(1)


def _standard(curves: Tensor) -> Tensor:
    """Curves (T, K) of mean 0 and variance 1, or 0 where they do not move."""
    spread = curves.std(0, correction=0)
    return torch.where(spread > 1e-9, (curves - curves.mean(0)) / spread.clamp(min=1e-9), 0.0)
