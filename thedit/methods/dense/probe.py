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

TRUE_STEP, SEEN_STEP = 0.005, 0.025
"""World units that errors are counted in: of true displacements, and of those seen in pictures."""


def linear(options: DenseOptions) -> nn.Linear:
    """The reading: of 68 landmarks in space, or of differences between landmarks in the plane."""
    if options.correspondence == "truth":
        return nn.Linear(options.motion_code, 68 * 3)
    return nn.Linear(options.motion_code, 68 * 2, bias=False)


def loss(
    reading: nn.Linear, options: DenseOptions, own: Tensor, driving: Tensor, source: FrameBatch, driver: FrameBatch
) -> Tensor:
    """Mean L1 of the reading of the sources' and the drivers' motion codes (B, M)."""
    if options.correspondence == "truth":
        read = reading(torch.cat([own, driving]).float())
        wanted = torch.cat([_displacements(frames.surface) for frames in (source, driver)]) / TRUE_STEP
    else:
        read = reading((driving - own).float())
        wanted = (view.frontal(driver) - view.frontal(source)).flatten(1) / SEEN_STEP
    return (read - wanted).abs().mean()


def _displacements(surface: Surface | None) -> Tensor:
    """World units (B, 68 * 3) by which true expressions move the landmarks."""
    assert surface is not None  # as `truth.losses` has made sure
    return surface.expression @ _actions(surface.expression.device)


@functools.cache
def _actions(device: torch.device) -> Tensor:
    """Displacements (52, 68 * 3) of the landmarks at full activation of each blendshape."""
    with torch.inference_mode(False):
        heads = assets.load()
        return heads.blendshapes[:, heads.landmarks].flatten(1).to(device)
