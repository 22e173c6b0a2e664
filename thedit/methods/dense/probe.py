"""What keeps the motion code about the expression: a linear reading of it, in training alone.

With `correspondence: truth` it reads where the true expression moves the 68 landmarks; with `self`, how the landmarks
that were found in driver and source differ as seen from the front. Shapes: B pairs, M numbers of a motion code.
"""

import functools

import torch
from torch import Tensor, nn

from thedit.heads import assets
from thedit.methods import view
from thedit.model.dense.options import DenseOptions
from thedit.shards.batch import FrameBatch
from thedit.shards.surface import Surface

ACTIVATION = 0.15
"""Errors of true displacements are counted in what one blendshape, this active, does to a landmark at most."""
LEAST = 0.02
"""World units that a fully active blendshape counts as moving any landmark; smaller ones delay the jaw."""
SEEN_STEP = 0.025
"""World units that errors of displacements seen in pictures are counted in."""


def linear(options: DenseOptions) -> nn.Linear:
    """The reading: of 68 landmarks in space, or of differences between landmarks in the plane."""
    if options.correspondence == "truth":
        return nn.Linear(options.motion_code, 68 * 3)
    return nn.Linear(options.motion_code, 68 * 2, bias=False)


def loss(
    reading: nn.Linear, options: DenseOptions, own: Tensor, driving: Tensor, source: FrameBatch, driver: FrameBatch
) -> Tensor:
    """Mean error of the reading of the sources' and the drivers' motion codes (B, M).

    With truth it is squared: a blink is rare, and of what is rare and uncertain an L1 asks for nothing at all.
    """
    with torch.autocast(own.device.type, enabled=False):
        if options.correspondence == "truth":
            read = reading(torch.cat([own, driving]).float())
            wanted = torch.cat([_displacements(frames.surface) for frames in (source, driver)])
            return (read - wanted).square().mean()
        read = reading((driving - own).float())
        wanted = (view.frontal(driver) - view.frontal(source)).flatten(1) / SEEN_STEP
        return (read - wanted).abs().mean()


def _displacements(surface: Surface | None) -> Tensor:
    """By how much true expressions move the landmarks (B, 68 * 3), in what moves each of them typically."""
    assert surface is not None  # as `truth.losses` has made sure
    return surface.expression @ _actions(surface.expression.device)


@functools.cache
def _actions(device: torch.device) -> Tensor:
    """Displacements (52, 68 * 3) of the landmarks at full activation of each blendshape, in what is typical of each.

    So lids count as much as the jaw, which moves three times as far, and brows more than a third of that.
    """
    with torch.inference_mode(False):
        heads = assets.load()
        actions = heads.blendshapes[:, heads.landmarks]  # (52, 68, 3)
        furthest = torch.linalg.vector_norm(actions, dim=-1).amax(0).clamp(min=LEAST)  # (68,)
        return (actions / (ACTIVATION * furthest[:, None])).flatten(1).to(device)
