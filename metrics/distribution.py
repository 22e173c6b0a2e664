"""Distances of two sets of pictures through their features: Fréchet and kernel distance.

N, M: pictures of each set, D: features of a picture. With Inception features these are FID and KID; with any other
network they are not, and carry that network's name instead.
"""

import torch
from torch import Tensor


def frechet_distance(prediction: Tensor, reference: Tensor) -> Tensor:
    """Squared Fréchet distance of normal distributions fitted to features (N, D) and (M, D); float64 scalar >= 0.

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) with unbiased covariances (Heusel et al., 2017). The estimate grows as
    N falls, so compare methods only at equal N. Raises ValueError for fewer than two pictures on a side, different D,
    or values that are not finite.
    """
    prediction, reference = _checked(prediction, reference)
    n, m, features = len(prediction), len(reference), prediction.shape[1]
    if max(n, m) >= features:
        return frechet_from_moments(prediction.mean(0), prediction.T.cov(), reference.mean(0), reference.T.cov())
    # Fewer pictures than features: the non-zero eigenvalues of S1 S2 are those of a small N x M product.
    x, y = prediction - prediction.mean(0), reference - reference.mean(0)
    cross = x @ y.T / ((n - 1) * (m - 1)) ** 0.5  # (N, M)
    spread = x.square().sum() / (n - 1) + y.square().sum() / (m - 1)
    return (_shift(prediction.mean(0), reference.mean(0)) + spread - 2 * torch.linalg.svdvals(cross).sum()).clamp_min(0)


def frechet_from_moments(mean: Tensor, covariance: Tensor, other_mean: Tensor, other_covariance: Tensor) -> Tensor:
    """The same from means (D,) and covariances (D, D), float64.

    The trace of (S1 S2)^(1/2) is the sum of the square roots of the eigenvalues of R^T S2 R, where S1 = R R^T; that
    matrix is symmetric, so no complex square root arises.
    """
    factor, failed = torch.linalg.cholesky_ex(covariance)
    if failed:  # singular or nearly so
        values, vectors = torch.linalg.eigh(covariance)
        factor = vectors * values.clamp_min(0).sqrt()
    product = factor.T @ other_covariance @ factor
    root = torch.linalg.eigvalsh((product + product.T) / 2).clamp_min(0).sqrt().sum()
    spread = covariance.trace() + other_covariance.trace()
    return (_shift(mean, other_mean) + spread - 2 * root).clamp_min(0)


def kernel_distance(prediction: Tensor, reference: Tensor) -> Tensor:
    """Unbiased squared maximum mean discrepancy of features (N, D) and (M, D), kernel (x.y / D + 1)^3; float64 scalar.

    Its expectation does not depend on N (Binkowski et al., 2018); it may be slightly negative. All pictures are used
    at once. Raises ValueError as `frechet_distance`.
    """
    prediction, reference = _checked(prediction, reference)
    n, m = len(prediction), len(reference)
    within = sum(
        (kernel.sum() - kernel.trace()) / (size * (size - 1))
        for kernel, size in ((_kernel(prediction, prediction), n), (_kernel(reference, reference), m))
    )
    return within - 2 * _kernel(prediction, reference).mean()


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _shift(mean: Tensor, other: Tensor) -> Tensor:
    return (mean - other).square().sum()


def _checked(prediction: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    for name, features in (("prediction", prediction), ("reference", reference)):
        if features.ndim != 2:
            raise ValueError(f"{name} features must be (N, D), not {tuple(features.shape)}")
        if len(features) < 2:
            raise ValueError(f"a distribution needs two pictures or more; {name} has {len(features)}")
        if not features.isfinite().all():
            raise ValueError(f"{name} features have values that are not finite")
    if prediction.shape[1] != reference.shape[1]:
        raise ValueError(f"features differ in number: {prediction.shape[1]} and {reference.shape[1]}")
    return prediction.double(), reference.double()
