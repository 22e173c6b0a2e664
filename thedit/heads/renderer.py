"""Renders people with all ground truth, by ray casting with warp; the same code runs on CPU and CUDA."""

import torch
from torch import Tensor

from thedit.heads.assets import Assets
from thedit.heads.figure import Wardrobe
from thedit.heads.frames import Frames
from thedit.heads.people import Person
from thedit.heads.scene import Scene
from thedit.heads.stage import FRAMES_AT_ONCE, Stage


class Renderer:
    """Pictures of ``size`` x ``size`` pixels on ``device`` ("cpu" or "cuda")."""

    def __init__(self, assets: Assets, size: int, device: str = "cpu"):
        self.assets = assets
        self.size = size
        self.device = device
        self.wardrobe = Wardrobe(assets)
        self._stage: Stage | None = None

    def render(
        self, person: Person, expression: Tensor, cameras: Tensor, scene: Scene, *,
        recorded: Tensor | None = None, window: Tensor | None = None, maps: int = 0,
    ) -> Frames:  # fmt: skip
        """Pictures of one person: expressions (T, 52) seen by cameras (T, 25).

        ``recorded`` (T, 25) are the cameras that light, background and the body's stance belong to; they default to
        ``cameras``. Pass them to look at a recorded moment from elsewhere. ``window`` (T, 3): left, top and side of
        the part of the background that fills the picture, normalised; all of it by default. ``maps``: side of the maps
        of what is seen where; 0 for none.
        """
        if self._stage is None or self._stage.figure.person is not person:
            batch = min(FRAMES_AT_ONCE[self.device], len(expression))
            self._stage = Stage(self.wardrobe.dress(person), self.assets, self.size, self.device, batch)
        if recorded is None:
            recorded = cameras
        if window is None:
            window = torch.tensor([0.0, 0.0, 1.0]).expand(len(cameras), 3)
        return self._stage.render(expression, cameras, recorded, window, scene, maps)
