"""Pictures in [-1, 1] as eight-bit pixels."""

import numpy as np
import torch
from torch import Tensor


def to_uint8(picture: Tensor) -> np.ndarray:
    """A picture (3, H, W) in [-1, 1] as uint8 (H, W, 3); values outside are clipped."""
    return picture.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy()
