"""Distances of pictures, pixel by pixel: PSNR and SSIM."""

import torch
from torch import Tensor

from thedit.metrics.images import checked_pair

WINDOW, SIGMA = 11, 1.5
K1, K2 = 0.01, 0.03
RANGE = 2.0  # width of [-1, 1]
STRIP = 1 << 12  # pixels that SSIM works on at a time: they stay in the processor's cache


def psnr(prediction: Tensor, target: Tensor, region: Tensor | None = None) -> Tensor:
    """Peak signal-to-noise ratio in decibels (B,), float64: 10 log10(range^2 / mean squared error); higher is better.

    Pictures (B, 3, H, W), uint8 or float in [-1, 1]; with a ``region`` (B, H, W), bool, only its pixels count.
    Identical pictures give infinity, an empty region NaN. Raises ValueError as `images.checked_pair`, and for a
    region of another shape or type.

    >>> black = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    >>> round(float(psnr(black, black + 255)), 6)
    0.0
    """
    prediction, target = checked_pair(prediction, target)
    error = (prediction - target).square_().mean(dim=1)  # (B, H, W)
    if region is None:
        region = torch.ones_like(error, dtype=torch.bool)
    if region.shape != error.shape or region.dtype != torch.bool:
        raise ValueError(f"region must be bool {tuple(error.shape)}, not {region.dtype} {tuple(region.shape)}")
    error = (error * region).sum(dim=(1, 2)) / region.sum(dim=(1, 2))
    return 10 * torch.log10(RANGE**2 / error)


def ssim(prediction: Tensor, target: Tensor) -> Tensor:
    """Structural similarity (B,), float64, in [-1, 1]; higher is better (Wang et al., IEEE TIP 2004).

    Mean over colours and over all places where the 11 x 11 Gaussian window (sigma 1.5) lies inside the picture.
    Pictures (B, 3, H, W), uint8 or float in [-1, 1], at least 11 pixels a side. Raises ValueError otherwise.
    """
    prediction, target = checked_pair(prediction, target)
    if min(prediction.shape[-2:]) < WINDOW:
        raise ValueError(f"SSIM needs pictures of at least {WINDOW} pixels a side, not {tuple(prediction.shape[-2:])}")
    height, width = (side - WINDOW + 1 for side in prediction.shape[-2:])
    similarity = prediction.new_empty(*prediction.shape[:2], height, width)
    rows = max(1, STRIP // width)
    for top in range(0, height, rows):
        part = slice(top, min(top + rows, height) + WINDOW - 1)
        similarity[:, :, top : top + rows] = _similarity(prediction[:, :, part], target[:, :, part])
    return similarity.mean(dim=(1, 2, 3))


def _similarity(prediction: Tensor, target: Tensor) -> Tensor:
    """SSIM (B, 3, H-10, W-10) around each place of pictures (B, 3, H, W) in [-1, 1]."""
    prediction, target = (prediction + 1) / 2, (target + 1) / 2  # the formula assumes that black is 0
    products = torch.stack([prediction, target, prediction**2, target**2, prediction * target])
    x, y, xx, yy, xy = _blur(products.flatten(0, 2)[:, None]).unflatten(0, products.shape[:3]).squeeze(3)
    variance_x, variance_y, covariance = xx - x * x, yy - y * y, xy - x * y
    c1, c2 = K1**2, K2**2
    return (2 * x * y + c1) * (2 * covariance + c2) / ((x * x + y * y + c1) * (variance_x + variance_y + c2))


def _blur(planes: Tensor) -> Tensor:
    """Gaussian-weighted means (N, 1, H-10, W-10) of planes (N, 1, H, W)."""
    steps = torch.arange(WINDOW, dtype=planes.dtype) - WINDOW // 2
    kernel = torch.exp(-(steps**2) / (2 * SIGMA**2))
    kernel = kernel / kernel.sum()
    rows = torch.nn.functional.conv2d(planes, kernel.reshape(1, 1, -1, 1))
    return torch.nn.functional.conv2d(rows, kernel.reshape(1, 1, 1, -1))
