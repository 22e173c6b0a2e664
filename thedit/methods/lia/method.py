"""The latent image animator as a `Method`.

Differences from the paper: the perceptual network is EfficientNet-Lite1 instead of VGG-19; there is no discriminator,
as no method of the comparison trains against one; the driving motion is used as it is ("absolute"), because a driving
frame comes without its video's first frame.
"""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from thedit.methods.base import Method
from thedit.methods.geometry import Geometry
from thedit.methods.lia.directions import MotionDictionary
from thedit.methods.lia.encoder import MapEncoder
from thedit.methods.lia.generator import Generator
from thedit.methods.motion import Motion
from thedit.methods.pyramid import pyramid_loss
from thedit.methods.warp import places
from thedit.shards.batch import FrameBatch, TrainBatch


@dataclass(frozen=True)
class Preset:
    """Sizes of the networks; the feature maps of side r have min(channel_base / r, channel_max) channels."""

    latent: int
    directions: int
    channel_base: int
    channel_max: int


PRESETS = {
    "tiny": Preset(latent=128, directions=20, channel_base=1024, channel_max=96),
    "small": Preset(latent=256, directions=20, channel_base=4096, channel_max=256),
    "paper": Preset(latent=512, directions=20, channel_base=16384, channel_max=512),
}


class Code(NamedTuple):
    """What is computed once a source: its latent code (B, latent) and its feature maps of sides 8, ..., S."""

    latent: Tensor
    maps: list[Tensor]


class Lia(Method):
    """Source code plus a walk along orthonormal directions -> flows at every scale -> warped and repainted source."""

    camera_control = False
    linear = True

    def __init__(self, preset: str, size: int) -> None:
        super().__init__()
        p = PRESETS[preset]
        self.encoder = MapEncoder(size, p.latent, p.channel_base, p.channel_max)
        self.motion = MotionDictionary(p.latent, p.directions)
        self.generator = Generator(size, p.latent, p.channel_base, p.channel_max)

    def encode(self, source: FrameBatch) -> Code:
        """Latent codes and feature maps of B sources."""
        return Code(*self.encoder(source.image))

    def drive(self, code: Code, driving: FrameBatch, camera: Tensor) -> Tensor:
        """Walk to the driving frames' motion; the camera is the driver's, whatever ``camera`` says."""
        return self.show(code, self.motion_of(code, driving), camera)

    def motion_of(self, code: Code, driving: FrameBatch) -> Motion:
        """How far (B, M) the driving frames walk along each direction; the head's pose is part of it."""
        latent, _ = self.encoder(driving.image)
        magnitudes = self.motion.magnitudes(latent).float()
        return Motion(magnitudes, magnitudes[:, :0])

    def show(self, code: Code, motion: Motion, camera: Tensor) -> Tensor:
        """Walk along the directions as far as ``motion`` says."""
        return self.generator(code.latent + motion.factors @ self.motion.directions().mT, code.maps)

    def compilable(self) -> list[nn.Module]:
        """Both networks. Steps are not captured: the directions' QR decomposition may ask the host."""
        return [self.encoder, self.generator]

    def geometry(self, code: Code, driving: FrameBatch, camera: Tensor) -> Geometry:
        """Where the finest flow looks the features up."""
        latent, _ = self.encoder(driving.image)
        flow, _ = self.generator.flow_fields(code.latent + self.motion(latent))[-1]
        return Geometry(place=places(flow))

    def losses(self, batch: TrainBatch, step: int) -> dict[str, Tensor]:
        """Reconstruction of the target from the source, in pixels and in features (section 3.3)."""
        result = self.drive(self.encode(batch.source), batch.target, batch.target.camera)
        return {
            "l1": functional.l1_loss(result, batch.target.image),
            "perceptual": 10 * pyramid_loss(result, batch.target.image),
        }
