"""Fast paths in Triton beside reference implementations in plain torch; which one runs is chosen here."""

import importlib.util

import torch
from torch import Tensor

_TRITON = importlib.util.find_spec("triton") is not None


def fused(tensor: Tensor) -> bool:
    """Whether a Triton kernel serves this tensor: on a GPU, not float64, and small enough for 32-bit indices."""
    return _TRITON and tensor.is_cuda and tensor.dtype != torch.float64 and tensor.numel() < 2**31
