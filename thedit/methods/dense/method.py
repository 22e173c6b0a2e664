"""`planedict-dense`: its losses, and its place in the comparison."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from thedit.methods.dense import hull, probe, truth
from thedit.methods.features import perceptual
from thedit.methods.geometry import Geometry
from thedit.methods.motion import Motion
from thedit.methods.planedict import PlaneDict, replace_first
from thedit.methods.planedict import Source as Still
from thedit.model.dense.blending import Blending
from thedit.model.dense.network import DenseNetwork, View
from thedit.model.dense.options import DenseOptions, resolve
from thedit.model.dense.renderer import DenseRenderer, expected
from thedit.model.dense.source import Pyramid, Source, to_frame
from thedit.model.encoder import Encoder
from thedit.model.network import Codes
from thedit.model.synthesis import Synthesis
from thedit.shards.batch import PARTS, FrameBatch, TrainBatch


@dataclass(frozen=True)
class Encoded(Still):
    """Encoded sources: codes, planes P_c + dP_id (B, 3F, R, R), and what their pictures offer."""

    pictures: Source


class DensePlaneDict(PlaneDict):
    """One-shot reenactment with tri-planes that look each of their points up in the source's picture.

    ``options`` are those of `thedit.model.dense.options.DenseOptions`; they go over the preset's. Raises `UserError`
    for an unknown one.

    Sources may be larger than the size that the method was built for: the result is as large as they are.
    """

    several: ClassVar[bool] = True
    any_size: ClassVar[bool] = True
    anew = ("probe.",)
    schema = DenseOptions
    options: DenseOptions
    network: DenseNetwork  # type: ignore[assignment]

    def build(self, preset: str, size: int, options: dict[str, Any]) -> None:
        """Set `options`, `network` and, for training, the probe of the expression."""
        self.options = resolve(preset, options)
        self.network = DenseNetwork(size, self.options)
        self.probe = probe.linear(self.options) if self.options.probe else None

    def compilable(self) -> list[nn.Module]:
        """All networks, and the renderer, whose many steps would otherwise each be a launch."""
        kinds = Encoder | Synthesis | Pyramid | DenseRenderer | Blending
        return [part for part in self.modules() if isinstance(part, kinds)]

    @property
    def doubles(self) -> float:
        """Share of the training pairs that somebody else drives who does the same."""
        return self.options.partner

    @property
    def turned(self) -> float:
        """How much more often than a frontal frame one whose head is turned by 45 degrees is a target in training."""
        return self.options.turned

    def encode(self, source: FrameBatch) -> Encoded:
        """Codes, static tri-planes and pictures of B sources."""
        codes = self.codes(source)
        still = self.network.static(codes, source.camera)
        return Encoded(codes, still, self.network.observe(codes, still, source))

    def codes(self, frames: FrameBatch) -> Codes:
        """Identity and motion codes of B frames of any size, and maps."""
        size = self.network.size
        image = functional.interpolate(frames.image, (size, size), mode="area")
        return self.network.encode(image)._replace(motion=self.motion_code(frames))

    def motion_of(self, code: Still, driving: FrameBatch) -> Motion:
        """Factors (B * K, N, U, U) of the plane bases that take the pictures to the driver's motion, and both codes."""
        count = len(code.planes) // len(driving)
        driven = self.motion_code(driving).repeat_interleave(count, 0)
        motion = self.network.condition(code.codes.motion, driven)
        return Motion(self.network.motion.factors(motion), motion)

    def show(  # type: ignore[override]
        self, code: Encoded, motion: Motion, camera: Tensor
    ) -> Tensor:
        """The sources in ``motion``, seen by ``camera`` (B, 25): pictures (B, 3, T, T) in [-1, 1].

        T is the side of the sources' frames. With K times as many sources as cameras, K of them in a row are pictures
        of one person.
        """
        return self.look(code, motion, camera).full.clamp(-1, 1)

    def look(self, code: Encoded, motion: Motion, camera: Tensor) -> View:
        """What `show` shows, and what it is made of."""
        planes = self.network.displaced(code.planes, motion.factors)
        style = torch.cat([code.codes.identity, motion.style], dim=1).unflatten(0, (len(camera), -1)).mean(1)
        return self.network.view(planes, code.pictures, style, camera)

    def geometry(  # type: ignore[override]
        self, code: Encoded, driving: FrameBatch, camera: Tensor
    ) -> Geometry:
        """Where in the source's picture (the first of several) rendered pixels are looked up, and their distance.

        Where nothing is solid both mean little.
        """
        count = len(code.planes) // len(camera)
        drawing = self.look(code, self.motion_of(code, driving), camera).drawing
        place = to_frame(expected(drawing.place[::count], drawing.opacity))
        return Geometry(place.movedim(1, -1), expected(drawing.distance, drawing.opacity)[:, 0])

    def _same_identity(self, batch: TrainBatch, step: int) -> dict[str, Tensor]:
        """The source, moved as the driver, must be the target, whom the driver resembles in motion alone."""
        o, source = self.options, batch.source
        alone = round(o.reconstruction * len(source))
        target, driver = (replace_first(frames, source, alone) for frames in (batch.target, batch.driver))
        if o.correspondence == "truth":
            target = truth.steadied(source, target)
        codes, target_identity, driving = self._encode_three(source, target, driver)
        planes, seen = self._forward(codes, source, driving, target.camera, step)
        losses = {
            **self._photometric(seen, target),
            "smoothness": o.smoothness * self._roughness(planes),
            "identity": o.identity * (codes.identity - target_identity).abs().mean(),
        }
        if o.correspondence == "truth":
            losses |= truth.losses(seen, source, target, o)
        else:
            losses |= hull.losses(seen, target, o)
        if self.probe is not None:
            losses["probe"] = o.probe * probe.loss(self.probe, o, codes.motion, driving, source, driver)
        return losses

    def _photometric(self, seen: View, target: FrameBatch) -> dict[str, Tensor]:
        """What the pictures of a view have to be, the drawn one before the gate too."""
        o = self.options
        error, before = (seen.full - target.image).abs(), (seen.drawn.float() - target.image).abs()  # (B, 3, S, S)
        small = functional.interpolate(target.image, seen.rendered.shape[-2:], mode="area")
        inside = target.parts > PARTS["face"]  # (B, 1, S, S)
        losses = {
            "photometric": o.photometric * (error.mean() + (seen.rendered - small).abs().mean()),
            "parts": o.parts * (error * inside).mean(),
        }
        if o.perceptual:
            losses["perceptual"] = o.perceptual * perceptual(seen.full, target.image)
        if o.before_gate and seen.gate is not None:
            both = o.photometric * before.mean() + o.parts * (before * inside).mean()
            losses["before_gate"] = o.before_gate * both
        return losses

    def _encode_three(self, source: FrameBatch, target: FrameBatch, driver: FrameBatch) -> tuple[Codes, Tensor, Tensor]:
        """The source's codes, the target's identity code and the driver's motion code, in one pass."""
        changed = self._changed_view if self.options.augment_driving else self._driving_view
        pictures = torch.cat([source.image, target.image, changed(source), changed(driver)])
        codes, b = self.network.encode(pictures), len(source)
        maps = {side: features[:b] for side, features in codes.maps.items()}
        motion = codes.motion[2 * b :]
        return Codes(codes.identity[:b], motion[:b], maps), codes.identity[b : 2 * b], motion[b:]

    def _forward(  # type: ignore[override]
        self, codes: Codes, source: FrameBatch, driving: Tensor, camera: Tensor, step: int
    ) -> tuple[Tensor, View]:
        """Planes of sources in the driving motion (B, M), and the view that cameras (B, 25) have of them."""
        still = self.network.static(codes, source.camera)
        motion = self.network.condition(codes.motion, driving)
        planes = self.network.planes(still, motion)
        pictures = self.network.observe(codes, still, source)
        style = torch.cat([codes.identity, motion], dim=1)
        return planes, self.network.view(planes, pictures, style, camera, self.network.neural_size(step), jitter=True)

    def _roughness(self, planes: Tensor) -> Tensor:
        """As of the published network, of the density without its steepness."""
        return super()._roughness(planes) / self.options.steepness**2
