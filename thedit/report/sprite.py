"""Many pictures in one image, of which a page shows one at a time: what moves in the report.

A sprite's rows are moments, its columns tracks (source, driver, truth, methods) or views of a turning head.
"""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from thedit import layout
from thedit.config import Config
from thedit.evaluation.pairs import orbit
from thedit.metrics import tables
from thedit.report.figures.examples import Examples
from thedit.report.figures.grid import PAPER, Picture, enlarge
from thedit.report.figures.sidebyside import between_people, predicted, truths

YAW = np.linspace(-45, 45, 13)  # degrees of the turning head
MOMENTS = 8  # of a clip that the turning head shows
SIDE = 192  # pixels of a picture in the page
QUALITY = 82  # of WebP


@dataclass(frozen=True)
class Sprite:
    """Pictures (rows, columns) with the headings of the columns."""

    headings: list[str]
    pictures: list[list[Picture]]

    @property
    def uri(self) -> str:
        """The image as a ``data:`` address: cells of `SIDE` pixels, empty ones white."""
        canvas = Image.new("RGB", (SIDE * len(self.headings), SIDE * len(self.pictures)), PAPER)
        for row, pictures in enumerate(self.pictures):
            for column, picture in enumerate(pictures):
                if picture is not None:
                    canvas.paste(enlarge(picture, SIDE), (SIDE * column, SIDE * row))
        buffer = io.BytesIO()
        canvas.save(buffer, "WEBP", quality=QUALITY)
        return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def players(config: Config, examples: Examples, most: int = 3) -> dict[str, Sprite]:
    """Source, driver, truth and all methods in step, by the name of the pair; of the first protocol between people.

    Without such a protocol there are none.
    """
    protocol = between_people(config)
    if protocol is None:
        return {}
    pairs = tables.read(layout.pairs(config, protocol), tables.PAIRS)
    found = {}
    for pair, frames in list(pairs.groupby("pair", sort=False))[:most]:
        truth = truths(config, examples.store, frames)
        rows = []
        for number, row in enumerate(frames.itertuples()):
            given = [examples.store.picture(row.source_row), examples.store.picture(row.driver_row), truth[number]]
            rows.append(
                [*given, *(predicted(config, method, protocol, str(pair), row.frame) for method in config.methods)]
            )
        found[str(pair)] = Sprite(["source", "driver", "truth", *config.methods], rows)
    return found


def turning(examples: Examples) -> Sprite | None:
    """The method on show: one driven clip seen from the angles `YAW`; None if it has no camera control."""
    if not examples.method.camera_control:
        return None
    (source,), (clip,) = examples.sources(1), examples.driving_clips(1)
    rows = clip[np.linspace(0, len(clip) - 1, min(MOMENTS, len(clip))).round().astype(int)].tolist()
    cameras = torch.from_numpy(examples.store.column("camera"))
    yaw = torch.from_numpy(YAW).float()
    pictures: list[list[Picture]] = [
        list(examples.perform(source, [row] * len(yaw), orbit(cameras[row], yaw, torch.zeros_like(yaw))))
        for row in rows
    ]
    return Sprite(headings(YAW), pictures)


def headings(angles: Sequence[float] | np.ndarray) -> list[str]:
    """Angles in degrees as text."""
    return [f"{angle:+.0f}°" for angle in angles]
