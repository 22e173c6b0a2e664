"""The first-order motion model as a `Method`.

Differences from the paper: the perceptual network is EfficientNet-Lite1 with an L1 term on the pixels, instead of
VGG-19; keypoints are used as they are ("absolute"), because a driving frame comes without its video's first frame.
"""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from thedit.methods.base import Method
from thedit.methods.fomm.blocks import shrink
from thedit.methods.fomm.equivariance import Deformation, equivariance_losses
from thedit.methods.fomm.generator import Generator
from thedit.methods.fomm.keypoints import KeypointDetector, Keypoints
from thedit.methods.fomm.motion import DenseMotion
from thedit.methods.geometry import Geometry
from thedit.methods.pyramid import pyramid_loss
from thedit.methods.warp import places
from thedit.shards.batch import FrameBatch, TrainBatch


@dataclass(frozen=True)
class Preset:
    """Sizes of the networks; ``motion_side`` is the side at which keypoints and flow are found."""

    keypoints: int
    motion_side: int
    depth: int
    keypoint_width: int
    motion_width: int
    width: int
    max_width: int
    down_blocks: int
    residual_blocks: int


PRESETS = {
    "tiny": Preset(10, 32, 3, 16, 16, 16, 96, 1, 3),
    "small": Preset(10, 64, 4, 32, 32, 32, 256, 2, 4),
    "paper": Preset(10, 64, 5, 32, 64, 64, 1024, 2, 6),
}


class Code(NamedTuple):
    """What is computed once a source: its small picture, keypoints and features."""

    image: Tensor
    keypoints: Keypoints
    features: Tensor


class Fomm(Method):
    """Keypoints of source and driver -> dense flow and occlusion -> warped and repainted source."""

    camera_control = False

    def __init__(self, preset: str, size: int) -> None:
        super().__init__()
        p = PRESETS[preset]
        self.side = min(p.motion_side, size)
        self.detector = KeypointDetector(p.keypoints, p.keypoint_width, p.max_width, p.depth)
        self.motion = DenseMotion(p.keypoints, p.motion_width, p.max_width, p.depth)
        self.generator = Generator(p.width, min(512, p.max_width), p.down_blocks, p.residual_blocks)

    def encode(self, source: FrameBatch) -> Code:
        """Keypoints and features of B sources."""
        small = shrink(source.image, self.side)
        return Code(small, self.detector(small), self.generator.encoder(source.image))

    def drive(self, code: Code, driving: FrameBatch, camera: Tensor) -> Tensor:
        """Move the sources to the driving keypoints; the camera is the driver's, whatever ``camera`` says."""
        return self._animate(code, self.detector(shrink(driving.image, self.side)))

    def capture_key(self, step: int) -> str:
        """All steps compute the same."""
        return "all"

    def compilable(self) -> list[nn.Module]:
        """All networks."""
        return [self.detector, self.motion, self.generator.encoder, self.generator]

    def geometry(self, code: Code, driving: FrameBatch, camera: Tensor) -> Geometry:
        """Where the dense flow looks the features up."""
        flow, _ = self.motion(code.image, code.keypoints, self.detector(shrink(driving.image, self.side)))
        return Geometry(place=places(flow))

    def losses(self, batch: TrainBatch, step: int) -> dict[str, Tensor]:
        """Reconstruction of the target from the source, and equivariance of the keypoints (section 3.3)."""
        target = batch.target.image
        small = shrink(target, self.side)
        keypoints = self.detector(small)
        result = self._animate(self.encode(batch.source), keypoints)
        deformation = Deformation(len(small), small)
        position, jacobian = equivariance_losses(keypoints, self.detector(deformation.apply(small)), deformation)
        return {
            "l1": 10 * functional.l1_loss(result, target),
            "perceptual": 10 * pyramid_loss(result, target),
            "equivariance": 10 * position,
            "equivariance_jacobian": 10 * jacobian,
        }

    def _animate(self, code: Code, driving: Keypoints) -> Tensor:
        flow, visibility = self.motion(code.image, code.keypoints, driving)
        return self.generator(code.features, flow, visibility)
