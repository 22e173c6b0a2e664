"""Driving one source frame by frame, as fast as the device allows."""

import warnings
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from thedit.methods.base import Method
from thedit.methods.capture import Capture
from thedit.shards.batch import FrameBatch


@dataclass(frozen=True)
class _View:
    """Driving frames and the cameras (B, 25) that see what they move."""

    driving: FrameBatch
    camera: Tensor


class Stream:
    """A method with its sources encoded, called with driving frames.

    On a GPU the whole step from frame to picture is captured once as a CUDA graph, so that every call must have the
    same shapes and the picture is overwritten by the next call. ``compiled`` fuses the method's layers with
    torch.compile, which takes a minute at the first call; bf16 runs under autocast.
    """

    def __init__(
        self,
        method: Method,
        source: FrameBatch,
        precision: Literal["fp32", "bf16"] = "fp32",
        compiled: bool = False,
    ):
        self.method, self.precision = method.eval(), precision
        self.device = source.image.device
        with torch.no_grad(), self._arithmetic():
            self.code = method.encode(source)
        self._drive = torch.compile(method.drive, dynamic=False) if compiled else method.drive
        self._show = Capture(self._picture) if self.device.type == "cuda" else self._picture

    @torch.no_grad()
    def __call__(self, driving: FrameBatch, camera: Tensor) -> Tensor:
        """The sources with the motion of ``driving``, seen by ``camera`` (B, 25): pictures (B, 3, S, S) in [-1, 1]."""
        return self._show(_View(driving.to(self.device), camera.to(self.device, non_blocking=True)))

    def _picture(self, view: _View) -> Tensor:
        with self._arithmetic(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch.compile's hints about other settings
            return self._drive(self.code, view.driving, view.camera)

    def _arithmetic(self) -> AbstractContextManager[object]:
        if self.precision == "fp32":  # cuDNN would otherwise convolve in TF32
            return torch.backends.cudnn.flags(enabled=True, benchmark=False, allow_tf32=False)
        return torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False)
