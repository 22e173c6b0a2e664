"""What can be set about `planedict-dense` beyond the plane-dictionary network's options; its presets."""

from typing import Any, Literal

from pydantic import Field

from thedit.config import NonNegative, Positive, parse
from thedit.errors import UserError
from thedit.model.options import PRESETS, Options, Share


class DenseOptions(Options):
    """Parts and losses of the dense correspondence; each part can be left out, which is how its ablations are made."""

    super_resolution: Literal[True] = Field(True, description="always there: it blends the copy in")
    motion_dropout: Literal[0] = Field(0, description="not offered: the source's pixels hold its identity")
    shared_motion: Literal[0] = Field(0, description="not offered: nothing but the unposed face enters the motion code")

    correspondence: Literal["truth", "self"] = Field(
        "truth",
        description="what teaches places in the source's picture: truth of generated heads, or pictures alone",
    )
    source_features: bool = Field(True, description="look up the source's features and colours at render points")
    source_channels: Positive = Field(32, description="channels of those features")
    visibility: bool = Field(
        True, description="tell whether the source's picture shows a render point, by its own rendered distance"
    )
    mirrored: bool = Field(True, description="also look up the same point of the head's other half")
    reach: NonNegative = Field(
        0.06, description="most that a point moves between the driver's and the source's expression; 0: none does"
    )
    warp: bool = Field(True, description="warp the source's picture itself and blend it with what is drawn")
    clear_background: bool = Field(True, description="clear the source's background of its head before it is copied")
    hull: Share = Field(
        0.0,
        description="share of the frame by which the landmarks' hull is widened that the background never comes from; "
        "0: no hull",
    )
    steepness: float = Field(20.0, gt=0, description="factor on the logit of the density")

    partner: Share = Field(
        0.5, description="share of the pairs driven by somebody else who does the same, where the data have such people"
    )
    turned: NonNegative = Field(
        3.0, description="how much more often than a frontal frame one whose head is turned by 45 degrees is a target"
    )
    before_gate: NonNegative = Field(
        0.5, description="weight of the drawn picture's losses, before the copy is blended in"
    )
    place: NonNegative = Field(20.0, description="truth: weight of L1 between places in the source's picture")
    offset: NonNegative = Field(60.0, description="truth: weight of L1 between offsets, in world units")
    distance: NonNegative = Field(20.0, description="truth: weight of L1 between distances from the camera")
    opacity: NonNegative = Field(8.0, description="weight of cross-entropy of the opacity: with the silhouette (truth) "
                                                  "or inside of the landmarks' hull (self)")  # fmt: skip
    gate: NonNegative = Field(2.0, description="truth: weight of cross-entropy of the gate with what the source shows")
    probe: NonNegative = Field(
        10.0, description="weight of a linear reading of the expression from the motion code, in training alone"
    )


COMMON: dict[str, Any] = {
    "motion_code": 32,
    "motion_condition": "both",
    "identity_maps": 3,
    "driving_view": "unposed",
    "augment_driving": True,
    "motion_dropout": 0,
    "shared_motion": 0,
    "coarse": 16,
    "fine": 24,
    "reconstruction": 0.25,
    "cross_every": 8,
    "perceptual": 4.0,
    "parts": 600.0,
}
"""What every preset of `planedict-dense` sets otherwise than `thedit.model.options.PRESETS`."""


def resolve(preset: str, options: dict[str, Any]) -> DenseOptions:
    """The preset with ``options`` over it; `UserError` for an unknown preset, option or value."""
    if preset not in PRESETS:
        raise UserError(f"preset: '{preset}' is unknown; presets are {', '.join(PRESETS)}.")
    return parse({**PRESETS[preset], **COMMON, **options}, DenseOptions, "planedict-dense options")
