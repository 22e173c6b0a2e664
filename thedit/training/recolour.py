"""Other colours for training pairs, whatever the method: few people and rooms then show many skins, hairs and walls."""

from dataclasses import replace

import torch

from thedit.methods.augment import Colours, draw_colours
from thedit.shards.batch import FrameBatch, TrainBatch


def recolour(batch: TrainBatch, generator: torch.Generator) -> TrainBatch:
    """The same random colours for the source and the target of a pair, others for the other person."""
    pair, other = (draw_colours(len(batch.source), generator) for _ in range(2))
    return TrainBatch(_apply(pair, batch.source), _apply(pair, batch.target), _apply(other, batch.other))


def _apply(colours: Colours, frames: FrameBatch) -> FrameBatch:
    return replace(frames, image=colours(frames.image))
