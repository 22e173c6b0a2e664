"""The plane-dictionary method: its losses, and its place in the comparison (Yang et al., AAAI 2024)."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from thedit import camera
from thedit.methods import augment, view
from thedit.methods.base import Method
from thedit.methods.features import face_features, perceptual
from thedit.methods.geometry import Geometry
from thedit.methods.motion import Motion
from thedit.model.encoder import Encoder
from thedit.model.network import Codes, Network, Pictures
from thedit.model.options import Options, resolve
from thedit.model.renderer import SuperResolution
from thedit.model.synthesis import Synthesis
from thedit.shards.batch import PARTS, FrameBatch, TrainBatch
from thedit.shards.combine import combine

SMOOTHNESS_POINTS = 500
SMOOTHNESS_DISTANCE = 0.004
FRAMING = 0.02
"""By how much the unposed view is moved and scaled at random, of its side."""
FURTHEST = {"yaw": 45.0, "pitch": 35.0}
"""Degrees that a source may look away from the camera; of the rest of the face it would have to know too much."""


@dataclass(frozen=True)
class Source:
    """An encoded source: its codes and its planes P_c + dP_id (B, 3F, R, R)."""

    codes: Codes
    planes: Tensor


class PlaneDict(Method):
    """One-shot reenactment with tri-planes that a dictionary of plane bases moves.

    ``options`` are those of `thedit.model.options.Options`; they go over the preset's. Raises `UserError` for an
    unknown one.
    """

    linear = True
    schema = Options

    def __init__(self, preset: str, size: int, **options: Any):
        super().__init__()
        self.build(preset, size, options)
        self.unposed = view.Unposed(size) if self.options.driving_view == "unposed" else None

    def build(self, preset: str, size: int, options: dict[str, Any]) -> None:
        """Set `options` and `network`."""
        self.options = resolve(preset, options)
        self.network = Network(size, self.options)

    def built(self) -> dict[str, Any]:
        """All options of this network."""
        return self.options.model_dump(mode="json")

    def objections(self, source: FrameBatch) -> list[str]:
        """Why each of B sources is out of range; empty where it is not."""
        turned = camera.angles(camera.split(source.camera)[0]).abs()
        return [_objection(yaw, pitch) for yaw, pitch, _ in turned.tolist()]

    def encode(self, source: FrameBatch) -> Source:
        """Codes and static tri-planes of B sources."""
        codes = self.codes(source)
        return Source(codes, self.network.static(codes, source.camera))

    def codes(self, frames: FrameBatch) -> Codes:
        """Identity and motion codes of B frames, and maps."""
        codes = self.network.encode(frames.image)
        return codes if self.options.driving_view == "picture" else codes._replace(motion=self.motion_code(frames))

    def motion_code(self, driving: FrameBatch) -> Tensor:
        """Motion codes (B, M) of B frames."""
        return self.network.encode(self._driving_view(driving)).motion

    def _driving_view(self, driving: FrameBatch) -> Tensor:
        """What tells the motion of frames: pictures (B, 3, S, S) in [-1, 1]."""
        if self.unposed is not None:
            return self.unposed(driving)
        return view.face(driving) if self.options.driving_view == "face" else driving.image

    def drive(self, code: Source, driving: FrameBatch, camera: Tensor) -> Tensor:
        """The sources with the driver's motion, seen by ``camera`` (B, 25): pictures (B, 3, S, S) in [-1, 1]."""
        return self.show(code, self.motion_of(code, driving), camera)

    def motion_of(self, code: Source, driving: FrameBatch) -> Motion:
        """Factors (B, N, U, U) of the plane bases in the driver's motion, and the motion code (B, M)."""
        motion = self.network.condition(code.codes.motion, self.motion_code(driving))
        return Motion(self.network.motion.factors(motion), motion)

    def show(self, code: Source, motion: Motion, camera: Tensor) -> Tensor:
        """P_c + dP_id of the sources, displaced by the bases times ``motion``'s factors: pictures (B, 3, S, S)."""
        planes = self.network.displaced(code.planes, motion.factors)
        style = torch.cat([code.codes.identity, motion.style], dim=1)
        return self.network.view(planes, style, camera).full.clamp(-1, 1)

    def geometry(self, code: Source, driving: FrameBatch, camera: Tensor) -> Geometry:
        """How far away the rendered picture's pixels are."""
        planes = self.network.displaced(code.planes, self.motion_of(code, driving).factors)
        return Geometry(distance=self.network.renderer.distance(planes, camera, self.options.neural_size))

    def losses(self, batch: TrainBatch, step: int) -> dict[str, Tensor]:
        """The weighted losses of step ``step``: of pairs from one person, or every so often of two people."""
        if self._crosses(step):
            return self._cross_identity(batch.source, batch.other, step)
        return self._same_identity(batch, step)

    def capture_key(self, step: int) -> tuple[bool, int]:
        """Whether the step is cross-identity, and the side of the rendered picture."""
        return self._crosses(step), self.network.neural_size(step)

    def compilable(self) -> list[nn.Module]:
        """All feed-forward networks; the dictionary and the renderer have kernels of their own."""
        return [part for part in self.modules() if isinstance(part, Encoder | Synthesis | SuperResolution)]

    def _crosses(self, step: int) -> bool:
        every = self.options.cross_every
        return every > 0 and step % every == every - 1

    def _same_identity(self, batch: TrainBatch, step: int) -> dict[str, Tensor]:
        """The source, moved as the target, must be the target; some targets are the source itself."""
        o, source = self.options, batch.source
        alone = round(o.reconstruction * len(source))
        target = replace_first(batch.target, source, alone)
        codes, target_codes = self._encode_both(source, target)
        planes, pictures = self._forward(codes, source, target_codes.motion, target.camera, step)
        error = (pictures.full - target.image).abs()  # (B, 3, S, S)
        small = functional.interpolate(target.image, pictures.rendered.shape[-2:], mode="area")
        inside = target.parts > PARTS["face"]  # (B, 1, S, S)
        losses = {
            "photometric": o.photometric * (error.mean() + (pictures.rendered - small).abs().mean()),
            "parts": o.parts * (error * inside).mean(),
            "smoothness": o.smoothness * self._roughness(planes),
            "identity": o.identity * (codes.identity - target_codes.identity).abs().mean(),
        }
        if o.shared_motion:
            losses["shared_motion"] = o.shared_motion * shared(codes.motion[alone:], target_codes.motion[alone:])
        if o.perceptual:
            losses["perceptual"] = o.perceptual * perceptual(pictures.full, target.image)
        return losses

    def _cross_identity(self, source: FrameBatch, other: FrameBatch, step: int) -> dict[str, Tensor]:
        """The source, moved as somebody else, must keep its identity; there is no true picture."""
        o = self.options
        codes, other_codes = self._encode_both(source, other)
        planes, pictures = self._forward(codes, source, other_codes.motion, other.camera, step)
        again = self.network.encode(pictures.full).identity
        losses = {
            "cross_code": o.cross_code * (again - codes.identity).abs().mean(),
            "cross_triplet": o.cross_triplet
            * functional.triplet_margin_loss(again, codes.identity, other_codes.identity),
            "smoothness": o.smoothness * self._roughness(planes),
        }
        if o.cross_face:
            images, cameras = torch.cat([pictures.full, source.image]), torch.cat([other.camera, source.camera])
            found, wanted = face_features(images, cameras).chunk(2)
            losses["cross_face"] = o.cross_face * (found - wanted).abs().mean()
        return losses

    def _encode_both(self, source: FrameBatch, driving: FrameBatch) -> tuple[Codes, Codes]:
        """Codes of both frames; where motion is read in other pictures, they are encoded too."""
        pictures = [source.image, driving.image]
        if self.options.augment_driving:
            pictures += [self._changed_view(frames) for frames in (source, driving)]
        elif self.options.driving_view != "picture":
            pictures += [self._driving_view(frames) for frames in (source, driving)]
        codes, b = self.network.encode(torch.cat(pictures)), len(source)
        identity, motion = codes.identity[: 2 * b], codes.motion[-2 * b :]
        maps = {side: features[:b] for side, features in codes.maps.items()}
        return Codes(identity[:b], motion[:b], maps), Codes(identity[b:], motion[b:], {})

    def _changed_view(self, driving: FrameBatch) -> Tensor:
        """`_driving_view` with what may not tell the motion changed at random."""
        if self.unposed is None:
            return augment.driving(self._driving_view(driving))
        seen = self.unposed(driving, FRAMING)  # scaling it by more would hide the expression
        return augment.draw_colours(len(seen), seen.device)(seen)

    def _forward(
        self, codes: Codes, source: FrameBatch, driving: Tensor, camera: Tensor, step: int
    ) -> tuple[Tensor, Pictures]:
        """Planes and pictures of sources in the driving motion (B, M), seen by cameras (B, 25)."""
        motion = self.network.condition(codes.motion, driving)
        if self.options.motion_dropout:
            motion = motion * (torch.rand(len(motion), 1, device=motion.device) >= self.options.motion_dropout)
        planes = self.network.planes(self.network.static(codes, source.camera), motion)
        size = self.network.neural_size(step)
        style = torch.cat([codes.identity, motion], dim=1)
        return planes, self.network.view(planes, style, camera, size, jitter=True)

    def _roughness(self, planes: Tensor) -> Tensor:
        """Mean squared difference of the density at points `SMOOTHNESS_DISTANCE` apart."""
        points = torch.rand(len(planes), SMOOTHNESS_POINTS, 3, device=planes.device) - 0.5
        away = functional.normalize(torch.randn_like(points), dim=-1)
        both = torch.cat([points, points + SMOOTHNESS_DISTANCE * away], dim=1)
        here, there = self.network.renderer.density(planes, both).chunk(2, dim=1)  # (B, P)
        return functional.mse_loss(here, there)


def _objection(yaw: float, pitch: float) -> str:
    """Why a source that is turned by so many degrees cannot be used."""
    for name, angle in (("yaw", yaw), ("pitch", pitch)):
        if angle > FURTHEST[name]:
            return f"looks away by {angle:.0f} degrees of {name}, at most {FURTHEST[name]:.0f} can be animated"
    return ""


def replace_first(target: FrameBatch, source: FrameBatch, count: int) -> FrameBatch:
    """``target`` with its first ``count`` frames replaced by those of ``source``."""
    return combine(lambda new, kept: torch.cat([new[:count], kept[count:]]), source, target)


def shared(first: Tensor, second: Tensor) -> Tensor:
    """The share of the variance of codes that two frames (B, M) of each of B people have in common, mean over M.

    What two frames of a person have in common is who it is, not what it does. In expectation in [0, 1].
    """
    both = torch.stack([first, second])
    both = both - both.mean((0, 1))
    return ((both[0] * both[1]).mean(0) / both.square().mean((0, 1)).clamp(min=1e-12)).mean()
