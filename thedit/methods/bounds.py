"""The two calibration bounds: what a score is worth is seen between them.

`CopySource` keeps the source's identity and moves nothing; `CopyDriver` moves perfectly and keeps nothing of the
source. A method belongs above the first in motion and above the second in identity.
"""

from torch import Tensor

from thedit.methods.base import Method
from thedit.shards.batch import FrameBatch


class CopySource(Method):
    """Shows the source picture, whatever the driver does."""

    trainable = False
    camera_control = False

    def __init__(self, preset: str, size: int) -> None:
        super().__init__()

    def encode(self, source: FrameBatch) -> Tensor:
        """The pictures (B, 3, S, S) themselves."""
        return source.image

    def drive(self, code: Tensor, driving: FrameBatch, camera: Tensor) -> Tensor:
        """The pictures of ``code``."""
        return code


class CopyDriver(Method):
    """Shows the driving picture, whoever the source is."""

    trainable = False
    camera_control = False

    def __init__(self, preset: str, size: int) -> None:
        super().__init__()

    def encode(self, source: FrameBatch) -> None:
        """Nothing."""

    def drive(self, code: None, driving: FrameBatch, camera: Tensor) -> Tensor:
        """The driving pictures."""
        return driving.image
