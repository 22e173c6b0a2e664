"""One pair, a source picture that a method drove with some frames, and what is said about its frames."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

NO_FACE = "no face found in the {}"


@dataclass(frozen=True)
class Pair:
    """T frames to be scored; pictures are uint8 (H, W, 3), cameras (25,) as in `thedit.camera`.

    Pictures are gone through several times, one at a time, so that they can be decoded whenever that happens.

    predictions   None for a frame that the method did not deliver; ``reasons`` then says why, and is empty otherwise
    drivers       the driving frames
    targets       the true pictures, of the predictions' size; None where there is none
    regions       parts of the true pictures whose error is also measured alone: T masks (H, W), bool, by name
    source        the source picture; ``person`` more pictures of the source's person, for the mean embedding
    requested     (T, 25) the camera that the prediction was asked for
    driving       (T, 25) the camera of the driving frame; only its intrinsics are used
    """

    predictions: Collection[np.ndarray | None]
    reasons: Sequence[str]
    drivers: Collection[np.ndarray]
    targets: Collection[np.ndarray | None]
    source: np.ndarray
    person: Sequence[np.ndarray]
    requested: Tensor
    driving: Tensor
    regions: Mapping[str, Sequence[np.ndarray]] = field(default_factory=dict)


@dataclass(frozen=True)
class Value:
    """One value of one frame; NaN with a reason where it could not be had. ``weights_sha256`` names the networks."""

    frame: int
    metric: str
    variant: str
    backend: str
    weights_sha256: str
    value: float
    reason: str
    vector: np.ndarray | None = None


def reason(pair: Pair, frame: int, predicted: bool, referenced: bool, reference: str) -> str:
    """Why a frame has no value, or nothing: not delivered, no face in the prediction, or none in the ``reference``."""
    if pair.reasons[frame]:
        return pair.reasons[frame]
    if not predicted:
        return NO_FACE.format("prediction")
    return "" if referenced else NO_FACE.format(reference)
