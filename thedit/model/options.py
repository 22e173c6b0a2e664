"""Everything that can be set about the network and its losses; the presets; the ablations are options too."""

from typing import Annotated, Any, Literal

from pydantic import Field

from thedit.config import NonNegative, Positive, Section, parse
from thedit.errors import UserError

Share = Annotated[float, Field(ge=0, le=1)]


class Options(Section):
    """Sizes, parts and losses of the plane-dictionary network; the defaults are those of the paper preset."""

    identity_code: Positive = Field(512, description="numbers of the identity code")
    identity_maps: Annotated[int, Field(ge=0)] = Field(
        0, description="how many of the encoder's feature maps the identity planes are made of, the finest that fit"
    )
    motion_code: Positive = Field(512, description="numbers of the motion code")
    motion_condition: Literal["driving", "fused", "both"] = Field(
        "driving",
        description="driving: the driver's motion code alone; fused: it is first fused with the source's; both: one "
        "beside the other",
    )

    encoder_channel_base: Positive = Field(16384, description="encoder channels times the side of the feature map")
    channel_base: Positive = Field(32768, description="generator channels times the side of the feature map")
    channel_max: Positive = Field(512, description="most channels of encoder and generators")

    plane_size: Positive = Field(256, description="side of the tri-planes")
    plane_channels: Positive = Field(32, description="channels of one of the three planes")
    canonical: bool = Field(True, description="learned planes common to all people")
    dictionary: bool = Field(True, description="motion planes from plane bases; false: the generator emits them")
    orthogonal: bool = Field(True, description="orthonormal plane bases")
    bases: Positive = Field(20, description="plane bases in the dictionary")
    grid: Positive = Field(256, description="side of the dictionary; below plane_size it is enlarged bilinearly")

    hidden: Positive = Field(64, description="units of the decoder between plane features and density and colour")
    coarse: Positive = Field(48, description="stratified samples a ray")
    fine: Annotated[int, Field(ge=0)] = Field(48, description="importance samples a ray")
    neural_size: Positive = Field(128, description="side of the rendered feature picture")
    neural_start: Positive = Field(64, description="its side when training begins")
    growth: Annotated[int, Field(ge=0)] = Field(6400, description="steps over which it grows to neural_size")
    super_resolution: bool = Field(True, description="two modulated blocks to full size; false: bilinear enlargement")
    super_widths: tuple[Positive, Positive] = Field((128, 64), description="channels of those two blocks")

    reconstruction: Share = Field(0.5, description="share of the pairs that are driven by the source itself")
    driving_view: Literal["picture", "face", "unposed"] = Field(
        "picture",
        description="where the driver's motion is read: in the whole picture, in the face alone, without hair, or in "
        "the face as seen from the front",
    )
    augment_driving: bool = Field(
        False, description="change colour, scale and place of the driving picture, so that identity cannot leak from it"
    )
    motion_dropout: Share = Field(
        0.0,
        description="share of the training pictures made without motion, so that identity has to come from the source",
    )
    cross_every: Annotated[int, Field(ge=0)] = Field(2, description="every so many steps is cross-identity; 0: none")
    perceptual: NonNegative = Field(1.0, description="weight of the feature loss")
    photometric: NonNegative = Field(10.0, description="weight of L1, of the full picture and of the rendered one")
    parts: NonNegative = Field(2000.0, description="weight of L1 inside brows, eyes, nose and mouth")
    smoothness: NonNegative = Field(0.25, description="weight of density smoothness")
    identity: NonNegative = Field(50.0, description="weight of L1 between the identity codes of a pair")
    shared_motion: NonNegative = Field(
        0.0,
        description="weight of the share of the motion codes' variance that the two frames of a pair have in common",
    )
    cross_code: NonNegative = Field(10.0, description="weight of L1 between re-encoded and source identity code")
    cross_triplet: NonNegative = Field(1.0, description="weight of the triplet loss on the identity code")
    cross_face: NonNegative = Field(50.0, description="weight of L1 between frozen face embeddings")

    @property
    def condition(self) -> int:
        """Numbers of what drives the motion planes."""
        return self.motion_code * (2 if self.motion_condition == "both" else 1)


PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "small": {
        "identity_code": 256,
        "motion_code": 16,
        "encoder_channel_base": 4096,
        "channel_base": 8192,
        "channel_max": 256,
        "plane_size": 128,
        "grid": 64,
        "coarse": 24,
        "fine": 24,
        "neural_size": 64,
        "super_widths": (64, 32),
        "driving_view": "face",
        "augment_driving": True,
        "reconstruction": 0.25,
        "cross_every": 8,
        "perceptual": 4.0,
        "parts": 200.0,
        "identity": 10.0,
        "shared_motion": 4.0,
    },
    "tiny": {
        "identity_code": 128,
        "motion_code": 8,
        "encoder_channel_base": 1024,
        "channel_base": 1024,
        "channel_max": 96,
        "plane_size": 32,
        "plane_channels": 16,
        "bases": 10,
        "grid": 32,
        "hidden": 16,
        "coarse": 6,
        "fine": 6,
        "neural_size": 32,
        "neural_start": 32,
        "super_widths": (32, 16),
        "augment_driving": True,
        "motion_dropout": 0.5,
        "cross_every": 8,
        "parts": 40.0,
        "identity": 1.0,
    },
}


def resolve(preset: str, options: dict[str, Any]) -> Options:
    """The preset with ``options`` over it; `UserError` for an unknown preset, option or value."""
    if preset not in PRESETS:
        raise UserError(f"preset: '{preset}' is unknown; presets are {', '.join(PRESETS)}.")
    return parse({**PRESETS[preset], **options}, Options, "planedict options")
