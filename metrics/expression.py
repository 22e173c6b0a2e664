"""AED: does the result show the driver's expression? Distances of expression coefficients."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from thedit import camera
from thedit.fitting.model import LandmarkModel

# What opens and closes in a face: pairs of iBUG landmarks whose distances are averaged.
OPENINGS = (
    ((37, 41), (38, 40)),  # lids of the right eye
    ((43, 47), (44, 46)),  # lids of the left eye
    ((61, 67), (62, 66), (63, 65)),  # lips
    ((48, 54),),  # corners of the mouth
    ((19, 37),),  # right brow and lid
    ((24, 44),),  # left brow and lid
)

AED: dict[str, Callable[[Tensor], Tensor]] = {
    "mean-absolute": lambda difference: difference.abs().mean(1),
    "sum-absolute": lambda difference: difference.abs().sum(1),
    "l2": lambda difference: torch.linalg.vector_norm(difference, dim=1),
    "rmse": lambda difference: difference.square().mean(1).sqrt(),
}


def aed(prediction: Tensor, reference: Tensor, variant: str = "mean-absolute") -> Tensor:
    """Distance (B,) >= 0, float64, of expression coefficients (B, A); lower is better.

    Variants: mean-absolute (StyleHEAT, OTAvatar, over 64 coefficients of another face model), sum-absolute, l2, rmse
    (Next3D, over 50). Values of different face models are not comparable. NaN coefficients give NaN. Raises ValueError
    for other shapes or an unknown variant.
    """
    return _variant(variant)(_difference(prediction, reference))


def aed_landmarks(prediction: Tensor, reference: Tensor, blendshapes: Tensor, millimetres: float) -> Tensor:
    """Mean distance in millimetres (B,) by which the 68 landmarks of two expressions differ on the mean head.

    Coefficients (B, A); blendshapes (A, 68, 3) displacements a coefficient; ``millimetres`` a unit of these. Unlike the
    coefficients themselves, displacements do not change when two blendshapes that move the same points are exchanged.
    """
    moved = torch.einsum("ba,alc->blc", _difference(prediction, reference), blendshapes.double())  # (B, 68, 3)
    return torch.linalg.vector_norm(moved, dim=-1).mean(-1) * millimetres


def openings(coefficients: Tensor, mean: Tensor, blendshapes: Tensor, millimetres: float) -> Tensor:
    """How far eyes, lips, mouth and brows of the mean head are open with expressions (B, A): (B, 6) in millimetres.

    mean (68, 3) and blendshapes (A, 68, 3) in units of ``millimetres``. The mean absolute difference of two of these
    rows (`aed`) is the variant openings-mm: distances that landmarks tell well, whatever moves the rest of the face.
    """
    points = mean.double() + torch.einsum("ba,alc->blc", coefficients.double(), blendshapes.double())  # (B, 68, 3)
    gaps = [
        torch.stack([torch.linalg.vector_norm(points[:, i] - points[:, j], dim=1) for i, j in pairs]).mean(0)
        for pairs in OPENINGS
    ]
    return torch.stack(gaps, dim=1) * millimetres


def centred(values: Tensor) -> Tensor:
    """Values (T, D) of one clip's frames without their mean over the clip; NaN frames stay NaN and do not count.

    A fit takes a part of a person's face for expression. That part is the same in all frames of a clip, so centred
    expressions of two people can be compared.
    """
    return values - values.nanmean(0)


Distance = Callable[[Tensor, Tensor], Tensor]
Centre = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def variants(
    ours: Tensor, theirs: Tensor, model: LandmarkModel, centre: Centre
) -> dict[str, tuple[Distance, Tensor, Tensor]]:
    """Every variant of AED that is scored, and validated: its distance, and what it compares of two times (T, A).

    Coefficients of two sets of frames, in millimetres on the mean head of ``model``; ``centre`` takes from both (T, D)
    what their frames of a clip have in common (see `centred`).
    """
    first, second = (openings(one, model.mean, model.blendshapes, camera.MILLIMETRES) for one in (ours, theirs))

    def moved(x: Tensor, y: Tensor) -> Tensor:
        return aed_landmarks(x, y, model.blendshapes, camera.MILLIMETRES)

    return {
        **{name: (partial(aed, variant=name), ours, theirs) for name in AED},
        "landmarks-mm": (moved, ours, theirs),
        "landmarks-mm-centred": (moved, *centre(ours, theirs)),
        "openings-mm": (aed, first, second),
        "openings-mm-centred": (aed, *centre(first, second)),
    }


def _difference(prediction: Tensor, reference: Tensor) -> Tensor:
    if prediction.ndim != 2 or prediction.shape != reference.shape:
        raise ValueError(
            f"coefficients must be two times (B, A), not {tuple(prediction.shape)} and {tuple(reference.shape)}"
        )
    return prediction.double() - reference.double()


def _variant(name: str) -> Callable[[Tensor], Tensor]:
    if name not in AED:
        raise ValueError(f"unknown variant '{name}' of AED; there are {', '.join(AED)}")
    return AED[name]
