"""What only AnnyHeads can give: true cameras, expressions, and pictures of situations that nobody recorded."""

import hashlib
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from thedit import cache, camera, layout, parquet
from thedit.evaluation.pairs import sweep
from thedit.files import sha256
from thedit.fitting import fit_clip
from thedit.heads import assets
from thedit.heads.assets import LABELS
from thedit.heads.dataset import Truth, fingerprint
from thedit.heads.frames import Frames as Rendered
from thedit.metrics.measure import Measurer
from thedit.metrics.scoring import Frames, TrueFrames
from thedit.metrics.validity import Sample
from thedit.shards.surface import Surface, look
from thedit.spacing import evenly

FRAMES_PER_CLIP = 25
NO_HEAD = [LABELS["background"], LABELS["clothes"]]


def validity_sample(data: Path, frames: Frames, measurer: Measurer, size: int, split: str = "test") -> Sample:
    """Measure frames of a split's clips, evenly spread, and put the truth beside them; ``size`` as in `TrueLabels`."""
    index = frames.index.reset_index(drop=True)
    index = index[index["split"] == split]
    model = measurer.suite.landmarks.model
    truth = TrueLabels(data, frames, size)
    parts = []
    for (person, clip), group in tqdm(list(index.groupby(["person", "clip"])), desc="validity", unit="clip"):
        rows = group.index.to_numpy()[evenly(len(group), FRAMES_PER_CLIP)]
        measured = [measurer(frames.picture(row)) for row in rows]
        labels = torch.from_numpy(frames.column("camera")[rows])
        points = torch.from_numpy(np.stack([one.landmarks for one in measured]))
        fit = fit_clip(points, camera.split(labels)[1], model=model)
        parts.append(
            Sample(
                person=np.full(len(rows), person),
                clip=np.full(len(rows), f"{person}/{clip}"),
                embedding=np.stack([one.embedding for one in measured]),
                camera=fit.camera.numpy(),
                expression=fit.expression.numpy(),
                blendshapes=np.stack([one.blendshapes for one in measured]),
                true_camera=truth.cameras(rows).numpy(),
                true_expression=truth.labels(rows, "expression").numpy(),
            )
        )
    return Sample(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Sample)))


class TrueLabels:
    """The truth of frames of a store, recorded with ``size`` pixels a side; rows (T,) are rows of the store."""

    def __init__(self, data: Path, frames: Frames, size: int):
        self._data, self._frames, self._size = data, frames, size
        self._clips: dict[Path, pd.DataFrame] = {}

    def cameras(self, rows: np.ndarray) -> Tensor:
        """The true cameras (T, 25) of the frames' crops."""
        return camera.crop(self.labels(rows, "camera"), self.boxes(rows))

    def boxes(self, rows: np.ndarray) -> Tensor:
        """Crops (T, 3): left, top and side over the side of the recorded picture."""
        return torch.from_numpy(self._frames.column("box")[rows]) / self._size

    def labels(self, rows: np.ndarray, name: str) -> Tensor:
        """One column of the truth (T, numbers)."""
        index = self._frames.index.iloc[rows]
        return torch.stack([self._clip(row.person, row.clip)[name].loc[row.frame] for row in index.itertuples()])

    def _clip(self, person: str, clip: str) -> pd.DataFrame:
        path = layout.truth(self._data, f"{person}/{clip}")
        if path not in self._clips:
            table = parquet.read(path, ["frame", "camera", "expression", "identity", "landmarks"]).set_index("frame")
            self._clips[path] = table.map(lambda cell: torch.tensor(cell, dtype=torch.float32))
        return self._clips[path]


class _Wanted(NamedTuple):
    """Arguments of `Truth.frames`: expression (T, 52), cameras (T, 25), windows (T, 3)."""

    clip: str
    expression: Tensor
    cameras: Tensor
    recorded: Tensor
    window: Tensor


class TruePictures:
    """Renders the true pictures of a protocol's rows from the truth beside the videos of ``data``.

    The driver's true expression and camera replace the fitted ones, cropped as the driving frame was; a camera that
    the protocol moved is placed by its angles about the true head. Light and background are the source clip's.
    """

    def __init__(self, data: Path, frames: Frames, size: int, folder: Path):
        self._frames, self._folder = frames, folder
        self._truth = Truth(data, assets.load(), size)
        self._assets = sha256(assets.PATH)
        self._labels = TrueLabels(data, frames, self._truth.heads.size)

    def __call__(self, rows: pd.DataFrame) -> TrueFrames:
        """What `thedit.metrics.scoring.score` needs of rows of one pair; the head: all but background and clothes."""
        rendered = self.render(rows)
        assert rendered.mask is not None
        return TrueFrames(list(rendered.image), list(~np.isin(rendered.mask, NO_HEAD)))

    def render(self, rows: pd.DataFrame, expression: Tensor | None = None) -> Rendered:
        """True pictures of rows of one pair with mask, depth and correspondence; or in other expressions (T, 52).

        Every pair is rendered once and kept in ``folder``.
        """
        wanted = self._wanted(rows)
        if expression is not None:
            wanted = wanted._replace(expression=expression)
        path = self._folder / f"{self._key(wanted)}.npz"
        if (kept := cache.load(path, Rendered)) is not None:
            return kept
        rendered = self._truth.frames(
            wanted.clip, wanted.expression, wanted.cameras, recorded=wanted.recorded, window=wanted.window
        )
        cache.save(path, rendered)
        return rendered

    def expression(self, rows: pd.DataFrame) -> Tensor:
        """The drivers' true expressions (T, 52)."""
        return self._labels.labels(rows["driver_row"].to_numpy(), "expression")

    def surface(self, rows: pd.DataFrame, cells: int) -> Surface:
        """What the true pictures of rows of one pair show in ``cells`` x ``cells`` cells."""
        identity = self._labels.labels(rows["source_row"].to_numpy()[:1], "identity")[0]
        wanted = self._wanted(rows)
        whole = torch.tensor([0.0, 0.0, 1.0]).expand(len(rows), 3)
        return look(self.render(rows), wanted.cameras, wanted.expression, identity, whole, cells)

    def _wanted(self, rows: pd.DataFrame) -> _Wanted:
        drivers = rows["driver_row"].to_numpy()
        return _Wanted(
            clip=rows["source_id"].iloc[0],
            expression=self.expression(rows),
            cameras=self.cameras(rows),
            recorded=self._labels.cameras(drivers),
            window=self._labels.boxes(rows["source_row"].to_numpy()),
        )

    def _key(self, wanted: _Wanted) -> str:
        """A digest of all that the pictures follow from: arguments, size, data set, head assets and code."""
        state = hashlib.sha256(f"{self._truth.size} {fingerprint(self._truth.heads)} {self._assets}".encode())
        state.update(wanted.clip.encode())
        for tensor in wanted[1:]:
            state.update(f"{tuple(tensor.shape)}".encode() + tensor.float().contiguous().numpy().tobytes())
        return state.hexdigest()

    def cameras(self, rows: pd.DataFrame) -> Tensor:
        """The true cameras (T, 25) of the requested cameras."""
        driving = self._labels.cameras(rows["driver_row"].to_numpy())
        fitted = torch.from_numpy(self._frames.column("camera")[rows["driver_row"].to_numpy()])
        requested = torch.from_numpy(np.stack(rows["camera"].to_list())).float()
        stays = (requested - fitted).abs().amax(1) < 1e-5
        angles = zip(driving, rows["yaw"].round(3), rows["pitch"].round(3))
        moved = [sweep(one, [], [pitch]) if pitch else sweep(one, [yaw], []) for one, yaw, pitch in angles]
        return torch.where(stays[:, None], driving, torch.cat(moved))
