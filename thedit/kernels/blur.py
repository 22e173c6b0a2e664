"""The low-pass filter that follows a transposed convolution of stride 2 (Karras et al., CVPR 2020, figure 7)."""

import torch
from torch import Tensor
from torch.nn import functional

from thedit.kernels import fused, looped, processor


def blur(x: Tensor) -> Tensor:
    """The filter [1, 3, 3, 1] / 4 on both axes: (B, C, 2H + 1, 2H + 1) -> (B, C, 2H, 2H), after zeros went between."""
    if fused(x):
        from thedit.kernels import blur_triton

        return blur_triton.blur(x)
    if looped(x):
        return processor.blur(x)
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=x.dtype, device=x.device) / 4
    kernel = (taps[:, None] * taps).expand(x.shape[1], 1, 4, 4).contiguous()
    return functional.conv2d(x, kernel, padding=1, groups=x.shape[1])
