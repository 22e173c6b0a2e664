"""The whole network: a source picture, a motion and a camera to a new picture (Yang et al., AAAI 2024).

Shapes: B batch, S side of the pictures, F channels of a plane, R side of the planes, n side of the rendered picture.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from thedit.errors import UserError
from thedit.model.dictionary import FreePlanes, FusedMotion, PlaneDictionary
from thedit.model.encoder import Encoder
from thedit.model.lift import Lift
from thedit.model.options import Options
from thedit.model.renderer import Renderer, SuperResolution
from thedit.model.synthesis import Synthesis


class Codes(NamedTuple):
    """What the encoder tells of a picture."""

    identity: Tensor  # (B, identity_code)
    motion: Tensor  # (B, motion_code)
    maps: dict[int, Tensor]  # feature maps (B, C, side, side) by side


class Pictures(NamedTuple):
    """The network's two pictures, RGB in [-1, 1]."""

    full: Tensor  # (B, 3, S, S)
    rendered: Tensor  # (B, 3, n, n)


class PlaneNetwork(nn.Module):
    """Encoder, canonical planes, identity generator, plane dictionary: from pictures to the tri-planes of a frame.

    These are P_c + dP_id(identity) + dP_m(motion): what all people share, what makes this person, what this person
    does. ``kept`` are sides of the encoder's maps that are handed out beside those that are lifted. Raises `UserError`
    for sizes that do not fit together.
    """

    def __init__(self, size: int, options: Options, kept: tuple[int, ...] = ()):
        super().__init__()
        _check(size, options)
        o = self.options = options
        self.size = size
        channels = 3 * o.plane_channels
        sides = _map_sides(size, o)
        self.encoder = Encoder(
            size, o.identity_code + o.motion_code, o.encoder_channel_base, o.channel_max, (*sides, *kept)
        )
        self.identity = Synthesis(o.identity_code, channels, o.plane_size, o.channel_base, o.channel_max)
        self.lift = nn.ModuleDict({str(n): Lift(self.encoder.channels[n], self.identity.channels[n], n) for n in sides})
        planes = torch.randn(1, channels, o.plane_size, o.plane_size)
        self.canonical = nn.Parameter(0.1 * planes) if o.canonical else None
        self.fusion = FusedMotion(o.motion_code) if o.motion_condition == "fused" else None
        self.motion: PlaneDictionary | FreePlanes
        if o.dictionary:
            self.motion = PlaneDictionary(
                o.condition, channels, o.bases, o.grid, o.plane_size, o.channel_base, o.channel_max, o.orthogonal
            )
        else:
            self.motion = FreePlanes(o.condition, channels, o.grid, o.plane_size, o.channel_base, o.channel_max)

    def encode(self, image: Tensor) -> Codes:
        """Pictures (B, 3, S, S) in [-1, 1] -> identity and motion codes, and maps."""
        code, maps = self.encoder(image)
        identity, motion = code.split([self.options.identity_code, self.options.motion_code], dim=1)
        return Codes(identity, motion, maps)

    def static(self, source: Codes, cameras: Tensor) -> Tensor:
        """P_c + dP_id (B, 3F, R, R): a person's planes before any motion, of a picture taken by cameras (B, 25)."""
        lifted = {int(side): lift(source.maps[int(side)], cameras) for side, lift in self.lift.items()}
        planes = self.identity(source.identity, lifted)
        return planes if self.canonical is None else planes + self.canonical

    def condition(self, source: Tensor, driving: Tensor) -> Tensor:
        """What drives (B, `Options.condition`), of the source's and the driver's motion codes (B, M)."""
        if self.options.motion_condition == "both":
            return torch.cat([driving, source], dim=1)
        return driving if self.fusion is None else self.fusion(source, driving).float()

    def planes(self, still: Tensor, motion: Tensor) -> Tensor:
        """Planes (B, 3, F, R, R), in the order XY, XZ, YZ, of a person (B, 3F, R, R) in motion (B, M)."""
        return self.displaced(still, self.motion.factors(motion))

    def displaced(self, still: Tensor, factors: Tensor) -> Tensor:
        """Planes (B, 3, F, R, R) of a person (B, 3F, R, R), moved by the bases times ``factors``."""
        return (still + self.motion.combine(factors)).unflatten(1, (3, -1))

    def neural_size(self, step: int) -> int:
        """Side of the rendered picture at an optimiser step: grows in steps of 8 pixels."""
        o = self.options
        if step >= o.growth:
            return o.neural_size
        return o.neural_start + (o.neural_size - o.neural_start) * step // o.growth // 8 * 8


class Network(PlaneNetwork):
    """The published network: the tri-planes of a frame, rendered to features and enlarged."""

    def __init__(self, size: int, options: Options):
        super().__init__(size, options)
        o = options
        self.renderer = Renderer(o.plane_channels, o.hidden, o.coarse, o.fine)
        style = o.identity_code + o.condition
        self.super_resolution = (
            SuperResolution(o.plane_channels, style, o.neural_size, size, o.super_widths)
            if o.super_resolution
            else None
        )

    def view(
        self,
        planes: Tensor,
        style: Tensor,
        cameras: Tensor,
        neural_size: int | None = None,
        jitter: bool = False,
    ) -> Pictures:
        """Planes (B, 3, F, R, R) seen by cameras (B, 25); ``style`` (B, identity_code + condition) modulates the
        super-resolution, ``jitter`` is for training."""
        n = neural_size or self.options.neural_size
        features = self.renderer(planes, cameras, n, jitter).float()  # (B, F, n, n)
        rendered = 2 * features[:, :3] - 1
        if self.super_resolution is None:
            return Pictures(resize(rendered, self.size), rendered)
        low = resize(features, self.options.neural_size)
        full = self.super_resolution(low, 2 * low[:, :3] - 1, style)
        return Pictures(full, rendered)


def resize(x: Tensor, size: int) -> Tensor:
    """Bilinear resize (B, C, H, H) -> (B, C, size, size)."""
    return x if x.shape[-1] == size else nn.functional.interpolate(x, size=(size, size), mode="bilinear")


def _map_sides(size: int, o: Options) -> tuple[int, ...]:
    """Sides of the feature maps that are lifted: the finest ones that encoder and identity generator share."""
    return tuple(min(o.plane_size, size // 2) >> k for k in reversed(range(o.identity_maps)))


def _check(size: int, o: Options) -> None:
    """Every side is a power of two and no side exceeds the next larger one."""
    sides = {"size": size, "plane_size": o.plane_size, "grid": o.grid, "neural_size": o.neural_size}
    for name, side in sides.items():
        if side < 4 or side & (side - 1):
            raise UserError(f"{name}: is {side}, but must be a power of two of at least 4.")
    enough = sum(side >= 4 for side in _map_sides(size, o))
    if enough < o.identity_maps:
        raise UserError(f"identity_maps: is {o.identity_maps}, but must be at most {enough}.")
    if o.grid > o.plane_size:
        raise UserError(f"grid: is {o.grid}, but must not exceed plane_size {o.plane_size}.")
    if o.neural_start > o.neural_size:
        raise UserError(f"neural_start: is {o.neural_start}, but must not exceed neural_size {o.neural_size}.")
    most = 3 * o.plane_channels
    if o.dictionary and o.orthogonal and o.bases > most:
        raise UserError(f"bases: is {o.bases}, but {most} plane channels allow at most {most} orthogonal bases.")
