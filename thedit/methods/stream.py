"""Driving one source frame by frame, as fast as the device allows."""

import warnings
from contextlib import AbstractContextManager
from typing import Literal

import torch
from torch import Tensor

from thedit.methods.base import Method
from thedit.shards.batch import FrameBatch
from thedit.shards.combine import combine


class Stream:
    """A method with its sources encoded, called with driving frames.

    On a GPU the whole step from frame to picture is recorded once and replayed, so that every call must have the same
    shapes and the picture is overwritten by the next call. ``compiled`` fuses the method's layers with torch.compile,
    which takes a minute at the first call; bf16 runs under autocast.
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
        self._graph: torch.cuda.CUDAGraph | None = None

    @torch.no_grad()
    def __call__(self, driving: FrameBatch, camera: Tensor) -> Tensor:
        """The sources with the motion of ``driving``, seen by ``camera`` (B, 25): pictures (B, 3, S, S) in [-1, 1]."""
        if self.device.type != "cuda":
            with self._arithmetic():
                return self._drive(self.code, driving, camera)
        if self._graph is None:
            self._record(driving, camera)
        assert self._graph is not None
        combine(lambda fixed, new: fixed.copy_(new, non_blocking=True), self._driving, driving)
        self._camera.copy_(camera, non_blocking=True)
        self._graph.replay()
        return self._picture

    def _record(self, driving: FrameBatch, camera: Tensor) -> None:
        """Warm up, then record a step between fixed tensors."""
        self._driving = combine(lambda tensor: tensor.to(self.device, copy=True), driving)
        self._camera = camera.to(self.device).clone()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side), self._arithmetic(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch.compile's hints about other settings
            for _ in range(3):
                self._drive(self.code, self._driving, self._camera)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph), self._arithmetic():
            self._picture = self._drive(self.code, self._driving, self._camera)
        self._graph = graph

    def _arithmetic(self) -> AbstractContextManager[object]:
        if self.precision == "fp32":  # cuDNN would otherwise convolve in TF32
            return torch.backends.cudnn.flags(enabled=True, benchmark=False, allow_tf32=False)
        return torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False)
