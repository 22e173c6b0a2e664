"""What only the frames of a pair together tell: whether the expression follows, and whether the clip flickers.

Pairs whose driver holds still, such as one frame seen by many cameras, tell neither and have no rows.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from thedit.metrics import tracking
from thedit.metrics.backends import Backend
from thedit.metrics.flicker import motion, warping_error
from thedit.metrics.measure import Measured
from thedit.metrics.pair import Pair, Value, reason
from thedit.metrics.suite import Suite

FOLLOWED, FLICKER = "expression-tracking", "flicker"


def followed(
    pair: Pair, suite: Suite, predictions: list[Measured], drivers: list[Measured], targets: Sequence[Measured | None]
) -> Iterator[Value]:
    """Expression tracking against the true pictures, if there are any, and against the driver (``@driver``).

    A driver of another person opens its mouth as far as it has one, so that only what changes within the pair can be
    compared: there errors are those of centred openings.
    """
    if _holds_still(pair):
        return
    references = {"": [one for one in targets if one is not None], "@driver": drivers}
    for suffix, others in references.items():
        if len(others) < len(predictions):
            continue
        why = [
            reason(pair, frame, made.found, true.found, "driver" if suffix else "true picture")
            for frame, (made, true) in enumerate(zip(predictions, others))
        ]
        ours, theirs = (tracking.openings(_stack([one.tracked for one in group])) for group in (predictions, others))
        yield from _curves("", tracking.STILL, suite.tracking, suffix, ours, theirs, why)
        if suite.blendshapes is not None:
            ours, theirs = (
                tracking.gaze(_stack([one.blendshapes for one in group])) for group in (predictions, others)
            )
            yield from _curves("gaze-", tracking.STILL_GAZE, suite.blendshapes, suffix, ours, theirs, why)


def _curves(
    kind: str, still: dict[str, float], backend: Backend, suffix: str, ours: Tensor, theirs: Tensor, why: list[str]
) -> Iterator[Value]:
    """Rows of the curves (T, K) that ``still`` names, and their means, whose names begin with ``kind``.

    Curves that hardly move in the truth have no correlation.
    """
    moving = tracking.moves(theirs, torch.tensor(list(still.values())))
    shares = tracking.correlation(ours, theirs)
    error = "error"
    if suffix:
        ours, theirs, error = *tracking.centred(ours, theirs), "error-centred"
    errors = (ours - theirs).abs()
    values = {f"{name}-{error}": errors[:, k] for k, name in enumerate(still)}
    values |= {f"{name}-correlation": shares[:, k] for k, name in enumerate(still) if moving[k]}
    share = moving.double().mean().expand(len(ours)).where(ours.isfinite().all(1), torch.nan)
    values |= {f"{kind}{error}": errors.mean(1), f"{kind}moving": share}
    if moving.any():
        values[f"{kind}correlation"] = shares[:, moving].mean(1)
    for frame in range(len(ours)):
        for variant, column in values.items():
            yield Value(
                frame, FOLLOWED, variant + suffix, backend.name, backend.sha256, float(column[frame]), why[frame]
            )


def flicker(pair: Pair) -> Iterator[Value]:
    """How much each frame but the first changes beyond the true clip's motion, and how much more than it."""
    if _holds_still(pair):
        return
    both = zip(pairwise(pair.targets), pairwise(pair.predictions))
    for frame, ((before, now), (first, second)) in enumerate(both, start=1):
        if before is None or now is None:
            continue
        moved = motion(before, now)
        value = np.nan if first is None or second is None else warping_error(first, second, moved)
        why = pair.reasons[frame] or pair.reasons[frame - 1]
        excess = value - warping_error(before, now, moved)
        for variant, one in {"warping-error": value, "warping-excess": excess}.items():
            yield Value(frame, FLICKER, variant, "", "", one, why)


def _holds_still(pair: Pair) -> bool:
    first = next(iter(pair.drivers))
    return all(np.array_equal(picture, first) for picture in pair.drivers)


def _stack(arrays: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(arrays))
