"""Who plays in the figures: the method on show, the sources, the drivers; and driving them."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from thedit import camera, layout
from thedit.config import Config
from thedit.evaluation.predict import drive
from thedit.evaluation.stage import ready
from thedit.methods import registry
from thedit.methods.base import Method
from thedit.shards.store import FrameStore


@dataclass(frozen=True)
class Examples:
    """A run's test people and the first of its trained methods (or its first one)."""

    config: Config

    @cached_property
    def store(self) -> FrameStore:
        """The preprocessed frames."""
        return FrameStore(layout.shards(self.config))

    @cached_property
    def name(self) -> str:
        """The method on show."""
        trained = [name for name in self.config.methods if registry.find(name).trained]
        return (trained or self.config.methods)[0]

    @cached_property
    def method(self) -> Method:
        """The method on show, ready to drive."""
        return ready(self.config, self.name, self.store.size)

    @cached_property
    def clips(self) -> list[list[np.ndarray]]:
        """Store rows in time order of every clip of every test person."""
        frames = self.store.index
        test = frames[frames["split"] == "test"].sort_values(["person", "clip", "frame"])
        clips = test.groupby(["person", "clip"]).apply(lambda clip: clip.index.to_numpy(), include_groups=False)
        return [clips[person].to_list() for person in clips.index.get_level_values("person").unique()]

    @property
    def cell(self) -> int:
        """Side in pixels at which animations show a picture: its own, at least 128, at most 256."""
        return min(max(self.store.size, 128), 256)

    def sources(self, count: int) -> list[int]:
        """The first frame of the first clip of ``count`` people, or of as many as there are."""
        return [int(person[0][0]) for person in self.clips[:count]]

    def driving_clips(self, count: int) -> list[np.ndarray]:
        """The last clip of ``count`` people, those who come last as sources first."""
        return [person[-1] for person in reversed(self.clips)][:count]

    def striking(self, rows: np.ndarray) -> int:
        """The frame of a clip whose head is turned furthest from its mean pose."""
        poses = camera.split(torch.from_numpy(self.store.column("camera")[rows]))[0]  # (F, 4, 4)
        angles = camera.angles(poses)  # (F, 3)
        return int(rows[int((angles - angles.median(dim=0).values).abs()[:, :2].sum(-1).argmax())])

    def perform(self, source: int, drivers: list[int], cameras: Tensor | None = None) -> list[np.ndarray | None]:
        """Pictures of ``source`` with the motion of each driver, seen by its camera or by those of ``cameras`` (F, 25).

        A frame that the method fails to make is None.
        """
        views = self.store.column("camera")[drivers] if cameras is None else cameras.numpy()
        rows = pd.DataFrame({"source_row": source, "driver_row": drivers, "camera": list(views)})
        return [frame.picture for frame in drive(self.method, self.store, rows, Path("/dev/null"))]
