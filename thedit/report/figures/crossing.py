"""Cross-identity reenactment: every source with every driver, as a still figure and animated."""

import numpy as np
from tqdm import tqdm

from thedit.report.figures.examples import Examples
from thedit.report.figures.grid import Grid
from thedit.report.figures.sheet import Sheet


def still(examples: Examples, sources: int = 5, drivers: int = 6) -> Sheet:
    """One row a source, one column a driver."""
    chosen = [examples.striking(clip) for clip in examples.driving_clips(drivers)]
    rows = [[None, *map(examples.store.picture, chosen)]]
    for source in tqdm(examples.sources(sources), desc="cross-identity grid", unit="source"):
        rows.append([examples.store.picture(source), *examples.perform(source, chosen)])
    grid = Grid(
        columns=["source", *(f"driver {number + 1}" for number in range(len(chosen)))],
        column_breaks=[1],
        row_breaks=[1],
    )
    return Sheet([grid], [[rows]])


def moving(examples: Examples, sources: int = 3, drivers: int = 4, frames: int = 20) -> Sheet:
    """The same, animated: the drivers move, the sources are single pictures."""
    clips = [clip[_steps(len(clip), frames)].tolist() for clip in examples.driving_clips(drivers)]
    chosen = examples.sources(sources)
    results = [
        [examples.perform(source, clip) for clip in clips]
        for source in tqdm(chosen, desc="cross-identity animation", unit="source")
    ]
    grid = Grid(columns=["source", *["driver"] * len(clips)], cell=examples.cell, column_breaks=[1], row_breaks=[1])
    moments = []
    for moment in range(frames):
        rows = [[None, *(examples.store.picture(clip[moment]) for clip in clips)]]
        rows += [
            [examples.store.picture(source), *(driven[moment] for driven in row)]
            for source, row in zip(chosen, results)
        ]
        moments.append([rows])
    return Sheet([grid], moments, rate=10)


def _steps(available: int, frames: int) -> np.ndarray:
    """``frames`` positions in a clip: its own frames in order, there and back again if it is shorter."""
    there_and_back = [*range(available), *range(available - 2, 0, -1)] or [0]
    return np.resize(np.array(there_and_back), frames)
