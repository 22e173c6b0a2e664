"""The metrics as accumulating classes, usable wherever torchmetrics is: update, compute, reset, sync between processes.

>>> metric = PSNR()
>>> metric.update(torch.zeros(2, 3, 16, 16, dtype=torch.uint8), torch.full((2, 3, 16, 16), 255, dtype=torch.uint8))
>>> round(float(metric.compute()), 6), metric.n, metric.n_failed
(0.0, 2, 0)
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from thedit.metrics import distribution, expression, identity, pixel, pose
from thedit.metrics.backends import Features, Perceptual
from thedit.metrics.images import checked, checked_pair


class PerFrame(Metric):
    """Mean over all frames of a function that gives one value per frame; frames whose value is NaN count as failed.

    Values that are infinite beside finite ones (frames identical to their target) are counted apart. The sum is exact,
    so order, batches and processes do not change the result.
    """

    is_differentiable = False
    full_state_update = False
    values: list[Tensor]

    def __init__(self, function: Callable[..., Tensor], **kwargs: Any):
        super().__init__(**kwargs)
        self._function = function
        self.add_state("values", default=[], dist_reduce_fx="cat")

    def update(self, prediction: Tensor, reference: Tensor) -> None:
        """Add B frames; shapes and errors as the function's."""
        self.values.append(self._function(prediction, reference).double())

    def compute(self) -> Tensor:
        """The mean, a float64 scalar; NaN without any valid frame."""
        valid = self._counted()
        if not len(valid):
            return torch.tensor(math.nan, dtype=torch.float64)
        total = math.fsum(valid.tolist()) if valid.isfinite().all() else float(valid.sum())
        return torch.tensor(total / len(valid), dtype=torch.float64)

    @property
    def n(self) -> int:
        """Frames that the mean is over."""
        return len(self._counted())

    @property
    def n_identical(self) -> int:
        """Frames whose value is infinite, beside others: they are no part of the mean."""
        return int((~self._all().isnan()).sum()) - self.n

    @property
    def n_failed(self) -> int:
        """Frames without one."""
        return int(self._all().isnan().sum())

    def _counted(self) -> Tensor:
        values = self._all()
        finite = values[values.isfinite()]
        return finite if len(finite) else values[~values.isnan()]

    def _all(self) -> Tensor:
        values = self.values if isinstance(self.values, list) else [self.values]  # one tensor after a sync
        return torch.cat(values) if values else torch.empty(0, dtype=torch.float64)


class PSNR(PerFrame):
    """Mean of `metrics.psnr`."""

    higher_is_better = True

    def __init__(self, **kwargs: Any):
        super().__init__(pixel.psnr, **kwargs)


class SSIM(PerFrame):
    """Mean of `metrics.ssim`."""

    higher_is_better = True

    def __init__(self, **kwargs: Any):
        super().__init__(pixel.ssim, **kwargs)


class CSIM(PerFrame):
    """Mean of `metrics.csim` over embeddings (B, D)."""

    higher_is_better = True

    def __init__(self, **kwargs: Any):
        super().__init__(identity.csim, **kwargs)


class AED(PerFrame):
    """Mean of `metrics.aed` over coefficients (B, A)."""

    higher_is_better = False

    def __init__(self, variant: str = "mean-absolute", **kwargs: Any):
        super().__init__(lambda prediction, reference: expression.aed(prediction, reference, variant), **kwargs)


class APD(PerFrame):
    """Mean of `metrics.apd` over poses (B, 4, 4)."""

    higher_is_better = False

    def __init__(self, variant: str = "geodesic-degrees", **kwargs: Any):
        super().__init__(lambda prediction, reference: pose.apd(prediction, reference, variant), **kwargs)


class PerceptualDistance(PerFrame):
    """Mean perceptual distance of pictures (B, 3, H, W), uint8 or in [-1, 1], by a backend such as LPIPS."""

    higher_is_better = False

    def __init__(self, backend: Perceptual, **kwargs: Any):
        def distance(prediction: Tensor, target: Tensor) -> Tensor:
            prediction, target = checked_pair(prediction, target)
            return backend.distance(prediction.float(), target.float())

        super().__init__(distance, **kwargs)


class FrechetDistance(Metric):
    """`metrics.frechet_distance` of two sets from running moments; FID with Inception features.

    With a backend, `update` takes pictures (B, 3, H, W), uint8 or in [-1, 1]; without one, features (B, D).
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False

    def __init__(self, features: int, backend: Features | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self._backend = backend
        for side in ("prediction", "reference"):
            self.add_state(f"{side}_n", default=torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")
            zeros = torch.zeros(features, dtype=torch.float64)
            self.add_state(f"{side}_sum", default=zeros, dist_reduce_fx="sum")
            self.add_state(f"{side}_outer", default=zeros.outer(zeros), dist_reduce_fx="sum")

    def update(self, pictures: Tensor, reference: bool) -> None:
        """Add pictures, or features, to the reference set or to the predictions."""
        side = "reference" if reference else "prediction"
        values = pictures
        if self._backend is not None:
            values = self._backend.features(checked(pictures).float())
        values = values.double()
        for name, change in (("n", len(values)), ("sum", values.sum(0)), ("outer", values.T @ values)):
            setattr(self, f"{side}_{name}", getattr(self, f"{side}_{name}") + change)

    def compute(self) -> Tensor:
        """The distance, a float64 scalar; ValueError unless both sets have two pictures or more."""
        return distribution.frechet_from_moments(*self._moments("prediction"), *self._moments("reference"))

    def _moments(self, side: str) -> tuple[Tensor, Tensor]:
        n, total, outer = (getattr(self, f"{side}_{name}") for name in ("n", "sum", "outer"))
        if n < 2:
            raise ValueError(f"a distribution needs two pictures or more; {side} has {int(n)}")
        mean = total / n
        return mean, (outer - n * mean.outer(mean)) / (n - 1)


class KernelDistance(Metric):
    """`metrics.kernel_distance` of two sets; KID with Inception features. Arguments as `FrechetDistance`."""

    is_differentiable = False
    higher_is_better = False
    full_state_update = False
    prediction: list[Tensor]
    reference: list[Tensor]

    def __init__(self, backend: Features | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self._backend = backend
        self.add_state("prediction", default=[], dist_reduce_fx="cat")
        self.add_state("reference", default=[], dist_reduce_fx="cat")

    def update(self, pictures: Tensor, reference: bool) -> None:
        """Add pictures, or features, to the reference set or to the predictions."""
        values = pictures if self._backend is None else self._backend.features(checked(pictures).float())
        (self.reference if reference else self.prediction).append(values.double())

    def compute(self) -> Tensor:
        """The distance, a float64 scalar; ValueError unless both sets have two pictures or more."""
        sets = (self.prediction, self.reference)
        return distribution.kernel_distance(
            *(torch.cat(values) if isinstance(values, list) and values else torch.as_tensor(values) for values in sets)
        )
