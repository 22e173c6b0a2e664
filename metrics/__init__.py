"""Metrics of face reenactment, every one named with its variant: functions on tensors, classes, suites of networks.

Functions take torch tensors and return one float64 value a frame. `metrics.classes` has the same as accumulating
classes for torchmetrics. ``python -m metrics`` scores folders.
"""

from metrics.distribution import frechet_distance, frechet_from_moments, kernel_distance
from metrics.expression import AED, aed, aed_landmarks, centred, openings
from metrics.identity import csim, rescaled
from metrics.perceptual import perceptual_distance
from metrics.pixel import psnr, ssim
from metrics.pose import APD, apd

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
