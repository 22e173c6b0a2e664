"""Pictures at the border of the package: reading, strict checks, resizing.

B: pictures, H and W: height and width. Float pictures are RGB in [-1, 1], integer ones uint8 in [0, 255].
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from thedit.errors import UserError
from thedit.media import pictures
from thedit.media.files import UnreadableError


def checked(pictures: Tensor, name: str = "pictures") -> Tensor:
    """``pictures`` (B, 3, H, W), uint8 or float in [-1, 1], as float64 in [-1, 1].

    Raises ValueError for another shape or type, no picture, NaN, values outside the range, and for float batches
    without any value below 0, which almost always are [0, 1] pictures (pass uint8 for all-bright pictures).
    """
    if not isinstance(pictures, Tensor):
        raise ValueError(f"{name} must be a torch tensor, not {type(pictures).__name__}")
    if pictures.ndim != 4 or pictures.shape[1] != 3:
        raise ValueError(f"{name} must be (B, 3, H, W), not {tuple(pictures.shape)}")
    if not len(pictures):
        raise ValueError(f"{name} holds no picture")
    if pictures.dtype == torch.uint8:
        return pictures.double() / 127.5 - 1
    if not pictures.is_floating_point():
        raise ValueError(f"{name} must be uint8 or floating point, not {pictures.dtype}")
    if not pictures.isfinite().all():
        raise ValueError(f"{name} has values that are not finite")
    low, high = float(pictures.min()), float(pictures.max())
    if low < -1 or high > 1:
        raise ValueError(f"{name} must lie in [-1, 1], not [{low:g}, {high:g}]")
    if low >= 0:
        raise ValueError(f"{name} lies in [{low:g}, {high:g}] and looks like [0, 1]; pass 2 * x - 1, or uint8")
    return pictures.double()


def checked_pair(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both checked as by `checked`, and of one shape."""
    prediction, target = checked(prediction, "prediction"), checked(target, "target")
    if prediction.shape != target.shape:
        raise ValueError(
            f"prediction and target must have one shape, not {tuple(prediction.shape)} and {tuple(target.shape)}"
        )
    return prediction, target


def resize(pictures: Tensor, size: int) -> Tensor:
    """``pictures`` (B, 3, H, W) resized to size x size, bicubic with antialiasing, clamped to [-1, 1]."""
    if pictures.shape[-2:] == (size, size):
        return pictures
    scaled = torch.nn.functional.interpolate(
        pictures, size=(size, size), mode="bicubic", antialias=True, align_corners=False
    )
    return scaled.clamp(-1, 1)


def enlarge(picture: np.ndarray, size: int) -> np.ndarray:
    """A uint8 picture (H, W, 3) resized to size x size, bicubic with antialiasing."""
    if picture.shape[:2] == (size, size):
        return picture
    return np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.BICUBIC))


def to_tensor(picture: np.ndarray) -> Tensor:
    """A uint8 picture (H, W, 3) as a batch (1, 3, H, W) of uint8."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None]


def read(path: str | Path) -> np.ndarray:
    """Decode a picture file to uint8 RGB (H, W, 3) as `thedit.media.pictures.read`; `UserError` if it cannot be."""
    try:
        return pictures.read(Path(path))
    except UnreadableError as error:
        raise UserError(f"{path}: {error}; write it again as PNG.") from error
