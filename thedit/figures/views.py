"""Multi-view synthesis: one driven frame seen from many cameras, as a strip and animated."""

import math

import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from thedit.evaluation.pairs import orbit, sweep
from thedit.figures.cast import Cast
from thedit.figures.grid import Grid

YAW = [-40.0, -30.0, -20.0, -10.0, 0.0, 10.0, 20.0, 30.0, 40.0]
PITCH = [-20.0, -15.0, -10.0, -5.0, 0.0, 5.0, 10.0, 15.0, 20.0]


def strip(cast: Cast, people: int = 3) -> Image.Image:
    """Rows of yaw, then rows of pitch; the source and the driving frame stand at the left."""
    rows = []
    for kind, yaw, pitch in (("yaw", YAW, []), ("pitch", [], PITCH)):
        for source, driver in _scenes(cast, people):
            cameras = sweep(_label(cast, driver), yaw, pitch)
            views = cast.perform(source, [driver] * len(cameras), cameras)
            rows.append((kind, [cast.store.picture(source), cast.store.picture(driver), *views]))
    turns = [f"{value:+.0f}°" if value else "0°" for value in YAW]
    tilts = [f"{value:+.0f}°" if value else "0°" for value in PITCH]
    upper = Grid(
        columns=["source", "driver", *turns], rows=["yaw"] * people, cell=112, heading=60, column_breaks=[1, 2]
    )
    lower = Grid(columns=["", "", *tilts], rows=["pitch"] * people, cell=112, heading=60, column_breaks=[1, 2])
    parts = [
        grid.draw([row for kind, row in rows if kind == wanted]) for grid, wanted in ((upper, "yaw"), (lower, "pitch"))
    ]
    joined = Image.new("RGB", (parts[0].width, parts[0].height + parts[1].height), "white")
    joined.paste(parts[0], (0, 0))
    joined.paste(parts[1], (0, parts[0].height))
    return joined


def moving(cast: Cast, people: int = 4, frames: int = 36) -> list[Image.Image]:
    """The camera moves about each person on an ellipse of 35° yaw and 15° pitch."""
    turns = [2 * math.pi * moment / frames for moment in range(frames)]
    yaw = torch.tensor([35 * math.sin(turn) for turn in turns])
    pitch = torch.tensor([15 * math.cos(turn) for turn in turns])
    columns = []
    for source, driver in tqdm(_scenes(cast, people), desc="multi-view animation", unit="person"):
        views = cast.perform(source, [driver] * frames, orbit(_label(cast, driver), yaw, pitch))
        columns.append((cast.store.picture(source), cast.store.picture(driver), views))
    grid = Grid(rows=["source", "driver", "result"], cell=128, heading=70, row_breaks=[2])
    return [
        grid.draw(
            [
                [source for source, _, _ in columns],
                [driver for _, driver, _ in columns],
                [views[moment] for _, _, views in columns],
            ]
        )
        for moment in range(frames)
    ]


def _scenes(cast: Cast, people: int) -> list[tuple[int, int]]:
    """A source of each person, and a frame of another person that drives it."""
    sources = cast.sources(people)
    return list(zip(sources, [cast.striking(clip) for clip in cast.driving_clips(len(sources))]))


def _label(cast: Cast, row: int) -> Tensor:
    """The camera (25) of a frame."""
    return torch.from_numpy(cast.store.column("camera")[row])
