"""From 68 landmarks to head pose, identity, 52 bounded expression coefficients and the camera."""

from thedit.fitting.fit import Fit, fit_clip, fit_frames

__all__ = ["Fit", "fit_clip", "fit_frames"]
