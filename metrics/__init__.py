"""Metrics of face reenactment, every one named with its variant: functions on tensors, classes, suites of networks.

Functions take torch tensors and return one float64 value per frame. `thedit.metrics.classes` has the same as
accumulating classes for torchmetrics. ``python -m thedit.metrics`` scores folders.
"""

from thedit.metrics.distribution import frechet_distance, frechet_from_moments, kernel_distance
from thedit.metrics.expression import AED, aed, aed_landmarks, centred, openings
from thedit.metrics.identity import csim, rescaled
from thedit.metrics.perceptual import perceptual_distance
from thedit.metrics.pixel import psnr, ssim
from thedit.metrics.pose import APD, apd

__all__ = [
    "AED",
    "APD",
    "aed",
    "aed_landmarks",
    "apd",
    "centred",
    "csim",
    "frechet_distance",
    "frechet_from_moments",
    "kernel_distance",
    "openings",
    "perceptual_distance",
    "psnr",
    "rescaled",
    "ssim",
]
