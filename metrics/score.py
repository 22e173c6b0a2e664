"""Every metric of one pair's frames, as tidy rows.

A pair is a source picture that a method drove with some frames; it is the unit of scoring: its frames share one fitted
identity, and nothing outside a pair influences its values. T: frames of the pair.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from thedit import camera
from thedit.fitting import Fit, fit_clip
from thedit.fitting.model import LandmarkModel
from thedit.metrics import images
from thedit.metrics.expression import centred, variants
from thedit.metrics.identity import csim
from thedit.metrics.measure import Measured, Measurer
from thedit.metrics.pair import Pair, Value, reason
from thedit.metrics.pixel import psnr, ssim
from thedit.metrics.pose import APD, apd
from thedit.metrics.tables import FEATURES
from thedit.metrics.temporal import flicker, followed


def score_pair(pair: Pair, measurer: Measurer) -> Iterator[Value]:
    """All values of a pair, frame by frame, in a fixed order."""
    blank = measurer.blank
    predictions = [blank if picture is None else measurer(picture) for picture in pair.predictions]
    drivers = [measurer(picture) for picture in pair.drivers]
    targets = [None if picture is None else measurer(picture) for picture in pair.targets]
    yield from _pictures(pair, measurer)
    yield from _identity(pair, measurer, predictions, targets)
    yield from _motion(pair, measurer, predictions, drivers)
    yield from followed(pair, measurer.suite, predictions, drivers, targets)
    yield from flicker(pair)
    yield from _vectors(pair, measurer, predictions, drivers)


def _pictures(pair: Pair, measurer: Measurer) -> Iterator[Value]:
    """PSNR, SSIM and perceptual distance to the true picture, at the prediction's own size; PSNR also by region."""
    perceptual = measurer.suite.perceptual
    for frame, (prediction, target) in enumerate(zip(pair.predictions, pair.targets)):
        if target is None:
            continue
        why = pair.reasons[frame]
        regions = {f"target-{name}": masks[frame] for name, masks in pair.regions.items()}
        values = dict.fromkeys([("psnr", "target"), ("ssim", "target"), (perceptual.metric, "target")], np.nan)
        values |= {("psnr", variant): np.nan for variant in regions}
        if prediction is not None:
            ours, theirs = images.to_tensor(prediction), images.to_tensor(target)
            values["psnr", "target"], values["ssim", "target"] = float(psnr(ours, theirs)), float(ssim(ours, theirs))
            distance = perceptual.distance(ours.float() / 127.5 - 1, theirs.float() / 127.5 - 1)
            values[perceptual.metric, "target"] = float(distance)
            for variant, mask in regions.items():
                values["psnr", variant] = float(psnr(ours, theirs, torch.from_numpy(mask)[None]))
        for (metric, variant), value in values.items():
            backend = (perceptual.name, perceptual.sha256) if metric == perceptual.metric else ("", "")
            yield Value(frame, metric, variant, *backend, value, why)


def _identity(
    pair: Pair, measurer: Measurer, predictions: list[Measured], targets: list[Measured | None]
) -> Iterator[Value]:
    """CSIM against the source, the person's mean and the target."""
    source = measurer(pair.source).embedding
    known = [measured.embedding for measured in map(measurer, pair.person) if measured.found]
    person = np.mean(known, axis=0) if known else np.full_like(source, np.nan)
    backend = measurer.suite.embedding
    for frame, prediction in enumerate(predictions):
        references = {"source": source, "person": person}
        target = targets[frame]
        if target is not None:
            references["target"] = target.embedding
        for variant, reference in references.items():
            value = float(csim(_row(prediction.embedding), _row(reference)))
            why = reason(pair, frame, prediction.found, np.isfinite(reference).all(), variant)
            yield Value(frame, "csim", variant, backend.name, backend.sha256, value, why)


def _motion(pair: Pair, measurer: Measurer, predictions: list[Measured], drivers: list[Measured]) -> Iterator[Value]:
    """AED and APD against the driver, and APD against the requested camera."""
    landmarks, blendshapes = measurer.suite.landmarks, measurer.suite.blendshapes
    fitted = (f"{landmarks.name}+fit", landmarks.sha256)
    model = landmarks.model
    ours, theirs = _fit(predictions, pair.requested, model), _fit(drivers, pair.driving, model)
    coefficients = {fitted: (ours.expression, theirs.expression)}
    if blendshapes is not None:
        read, driven = (_stack([one.blendshapes for one in group]) for group in (predictions, drivers))
        coefficients[blendshapes.name, blendshapes.sha256] = read, driven
    expressions = {
        (variant, *backend): distance(first, second)
        for backend, both in coefficients.items()
        for variant, (distance, first, second) in variants(*both, model, _centred).items()
    }
    poses = {variant: apd(_pose(ours.camera), _pose(theirs.camera), variant) for variant in APD}
    poses |= {f"{variant}@camera": apd(_pose(ours.camera), _pose(pair.requested), variant) for variant in APD}
    for frame, (prediction, driver) in enumerate(zip(predictions, drivers)):
        both = reason(pair, frame, prediction.found, driver.found, "driver")
        alone = reason(pair, frame, prediction.found, True, "driver")
        for what, values in expressions.items():
            yield Value(frame, "aed", *what, float(values[frame]), both)
        for variant, values in poses.items():
            why = alone if variant.endswith("@camera") else both
            yield Value(frame, "apd", variant, *fitted, float(values[frame]), why)


def _vectors(pair: Pair, measurer: Measurer, predictions: list[Measured], drivers: list[Measured]) -> Iterator[Value]:
    """The features behind distances between sets: rows without a value that aggregation turns into one."""
    backend = measurer.suite.features
    delivered = [one for one, missing in zip(predictions, pair.reasons) if not missing]
    groups = {"prediction": delivered, "driver": drivers, "person": [measurer(picture) for picture in pair.person]}
    for variant, group in groups.items():
        for frame, measured in enumerate(group):
            yield Value(frame, FEATURES, variant, backend.name, backend.sha256, np.nan, "", measured.features)


def _fit(measured: list[Measured], cameras: Tensor, model: LandmarkModel) -> Fit:
    """Poses and expressions of frames of one person; ``cameras`` (T, 25) give the intrinsics."""
    points = _stack([one.landmarks for one in measured])  # (T, 68, 2)
    return fit_clip(points, camera.split(cameras)[1], model=model)


def _stack(arrays: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(arrays))


def _centred(ours: Tensor, theirs: Tensor) -> tuple[Tensor, Tensor]:
    """Both (T, D) without their means over the frames that both have."""
    missing = (ours.isnan() | theirs.isnan()).any(1, keepdim=True)
    return centred(ours.masked_fill(missing, torch.nan)), centred(theirs.masked_fill(missing, torch.nan))


def _pose(cameras: Tensor) -> Tensor:
    return camera.split(cameras)[0]


def _row(vector: np.ndarray) -> Tensor:
    return torch.from_numpy(vector)[None]
