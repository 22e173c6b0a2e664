"""True pictures that only AnnyHeads can give: the source's person with the driver's expression, seen by any camera."""

import hashlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from metrics.run import Frames
from thedit import camera
from thedit.errors import UserError
from thedit.evaluation.pairs import sweep
from thedit.files import atomic
from thedit.heads import assets
from thedit.heads.dataset import Truth, fingerprint
from thedit.heads.renderer import Frames as Rendered


class TruePictures:
    """Renders the true pictures of a protocol's rows from the truth beside the videos of ``data``.

    The driver's true expression and camera replace the fitted ones, cropped as the driving frame was; a camera that
    the protocol moved is placed by its angles about the true head. Light and background are the source clip's.
    """

    def __init__(self, data: Path, frames: Frames, size: int, cache: Path):
        self._data, self._frames, self._cache = data, frames, cache
        self._truth = Truth(data, assets.load(), size)
        self._clips: dict[Path, pd.DataFrame] = {}

    def __call__(self, rows: pd.DataFrame) -> list[np.ndarray]:
        """True pictures (S, S, 3), uint8, of rows of one pair (see `metrics.run.score`)."""
        return list(self.render(rows).image)

    def render(self, rows: pd.DataFrame) -> Rendered:
        """The same with mask, depth and correspondence; every pair is rendered once and kept in the cache folder."""
        path = self._cache / f"{self._key(rows)}.npz"
        if path.is_file():
            with np.load(path) as arrays:
                return Rendered(**arrays)
        rendered = self._truth.frames(
            rows["source_id"].iloc[0],
            self._labels(rows["driver_row"], "expression"),
            self.cameras(rows),
            recorded=self._driving(rows),
            window=self._boxes(rows["source_row"]),
        )
        with atomic(path) as sibling:
            np.savez_compressed(sibling, **asdict(rendered))
        return rendered

    def _key(self, rows: pd.DataFrame) -> str:
        """Changes with the rows, the data set and the code that renders it."""
        what = rows[["source_row", "driver_row", "yaw", "pitch"]].to_numpy(dtype=np.float64).tobytes()
        return hashlib.sha256(f"{self._truth.size} {fingerprint(self._truth.heads)}".encode() + what).hexdigest()

    def cameras(self, rows: pd.DataFrame) -> Tensor:
        """The true labels (T, 25) of the requested cameras."""
        driving = self._driving(rows)
        fitted = torch.from_numpy(self._frames.column("camera")[rows["driver_row"].to_numpy()])
        requested = torch.from_numpy(np.stack(rows["camera"].to_list())).float()
        stays = (requested - fitted).abs().amax(1) < 1e-5
        angles = zip(driving, rows["yaw"].round(3), rows["pitch"].round(3))
        moved = [sweep(one, [], [pitch]) if pitch else sweep(one, [yaw], []) for one, yaw, pitch in angles]
        return torch.where(stays[:, None], driving, torch.cat(moved))

    def _driving(self, rows: pd.DataFrame) -> Tensor:
        """The true labels (T, 25) of the driving frames' crops."""
        return camera.crop(self._labels(rows["driver_row"], "camera"), self._boxes(rows["driver_row"]))

    def _boxes(self, rows: pd.Series) -> Tensor:
        """Crops (T, 3): left, top and side over the side of the recorded picture."""
        return torch.from_numpy(self._frames.column("box")[rows.to_numpy()]) / self._truth.heads.size

    def _labels(self, rows: pd.Series, name: str) -> Tensor:
        """One column of the truth (T, numbers) of frames of the store."""
        index = self._frames.index.iloc[rows.to_numpy()]
        return torch.stack([self._clip(row.person, row.clip)[name].loc[row.frame] for row in index.itertuples()])

    def _clip(self, person: str, clip: str) -> pd.DataFrame:
        path = self._data / "truth" / person / f"{clip}.parquet"
        if path not in self._clips:
            try:
                table = pd.read_parquet(path, columns=["frame", "camera", "expression"]).set_index("frame")
            except OSError as error:
                raise UserError(f"{path}: cannot be read; render the data set with 'thedit heads render'.") from error
            self._clips[path] = table.map(lambda cell: torch.tensor(cell, dtype=torch.float32))
        return self._clips[path]
