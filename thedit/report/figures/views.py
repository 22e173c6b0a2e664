"""Multi-view synthesis: one driven frame seen from many cameras, as a strip and animated."""

import math

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from thedit.evaluation import protocols
from thedit.evaluation.pairs import orbit, sweep
from thedit.evaluation.protocols import Protocol
from thedit.report.figures.examples import Examples
from thedit.report.figures.grid import Grid
from thedit.report.figures.sheet import Sheet, nothing

MOST = 9  # views in a row
USUAL = Protocol(kind="multiview", yaw=[-45, -30, -15, 0, 15, 30, 45], pitch=[-20, -10, 0, 10, 20])


def strip(examples: Examples, people: int = 3) -> Sheet:
    """Rows of yaw, then rows of pitch; the source and the driving frame stand at the left.

    The angles are those of the run's first multi-view protocol, at most `MOST` of each, or else the `USUAL` ones.
    """
    if not examples.method.camera_control:
        return nothing(f"{examples.name} has no camera control")
    named = map(protocols.find, examples.config.evaluation.protocols)
    protocol = next((one for one in named if one.kind == "multiview"), USUAL)
    scenes = _scenes(examples, people)
    grids, pictures = [], []
    for kind, angles in (("yaw", protocol.yaw), ("pitch", protocol.pitch)):
        if not angles:
            continue
        shown = [angles[step] for step in np.linspace(0, len(angles) - 1, min(MOST, len(angles))).round().astype(int)]
        rows = []
        for source, driver in scenes:
            cameras = sweep(_camera(examples, driver), *((shown, []) if kind == "yaw" else ([], shown)))
            views = examples.perform(source, [driver] * len(cameras), cameras)
            rows.append([examples.store.picture(source), examples.store.picture(driver), *views])
        headings = ["source", "driver", *(f"{angle:+.0f}°" if angle else "0°" for angle in shown)]
        grids.append(Grid(columns=headings, rows=[kind] * len(rows), cell=112, heading=60, column_breaks=[1, 2]))
        pictures.append(rows)
    return Sheet(grids, [pictures])


def moving(examples: Examples, people: int = 4, frames: int = 36) -> Sheet:
    """The camera moves about each person on an ellipse of 35° yaw and 15° pitch."""
    if not examples.method.camera_control:
        return nothing(f"{examples.name} has no camera control")
    turns = [2 * math.pi * moment / frames for moment in range(frames)]
    yaw = torch.tensor([35 * math.sin(turn) for turn in turns])
    pitch = torch.tensor([15 * math.cos(turn) for turn in turns])
    columns = []
    for source, driver in tqdm(_scenes(examples, people), desc="multi-view animation", unit="person"):
        views = examples.perform(source, [driver] * frames, orbit(_camera(examples, driver), yaw, pitch))
        columns.append((examples.store.picture(source), examples.store.picture(driver), views))
    grid = Grid(rows=["source", "driver", "result"], cell=examples.cell, heading=70, row_breaks=[2])
    sources, drivers, seen = zip(*columns)
    moments = [[[sources, drivers, [views[moment] for views in seen]]] for moment in range(frames)]
    return Sheet([grid], moments, rate=15)


def _scenes(examples: Examples, people: int) -> list[tuple[int, int]]:
    """A source of each person, and a frame of another person that drives it."""
    sources = examples.sources(people)
    return list(zip(sources, [examples.striking(clip) for clip in examples.driving_clips(len(sources))]))


def _camera(examples: Examples, row: int) -> Tensor:
    """The camera (25) of a frame."""
    return torch.from_numpy(examples.store.column("camera")[row])
