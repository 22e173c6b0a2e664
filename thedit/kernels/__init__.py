"""Fast paths in Triton and numba beside reference implementations in plain torch; which one runs is chosen here."""

import importlib.util

import torch
from torch import Tensor

_TRITON = importlib.util.find_spec("triton") is not None


def fused(tensor: Tensor) -> bool:
    """Whether a Triton kernel serves this tensor: on a GPU, not float64, and small enough for 32-bit indices."""
    return _TRITON and tensor.is_cuda and tensor.dtype != torch.float64 and tensor.numel() < 2**31


def looped(tensor: Tensor) -> bool:
    """Whether numba's loops serve this tensor: float32 on a processor, and nothing is learnt, traced or rounded."""
    here = tensor.device.type == "cpu" and tensor.dtype == torch.float32
    return here and not (torch.is_grad_enabled() or torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling())
