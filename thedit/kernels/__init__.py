"""Fast paths in Triton beside plain torch oracles of the same signature; which one runs is chosen here."""

import importlib.util
from functools import cache

import torch
from torch import Tensor


def fused(tensor: Tensor) -> bool:
    """Whether a Triton kernel serves this tensor: on a GPU, not float64, and small enough for 32-bit indices."""
    return tensor.is_cuda and tensor.dtype != torch.float64 and tensor.numel() < 2**31 and _has_triton()


@cache
def _has_triton() -> bool:
    return importlib.util.find_spec("triton") is not None
