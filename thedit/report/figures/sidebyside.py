"""All methods on the same frames."""

import pandas as pd

from thedit import layout
from thedit.config import Config
from thedit.metrics import images, tables
from thedit.report.figures.grid import Grid, Picture
from thedit.report.figures.sheet import Sheet, nothing
from thedit.shards.store import FrameStore


def show(config: Config, store: FrameStore, most: int = 5) -> Sheet:
    """One row a frame of the first protocol between people: source, driver, the truth, every method's prediction."""
    protocol = between_people(config)
    if protocol is None:
        return nothing("no protocol in which people drive each other")
    pairs = tables.read(layout.pairs(config, protocol), tables.PAIRS)
    rows: list[list[Picture]] = []
    for _, frames in list(pairs.groupby("pair", sort=False))[:most]:
        middle = len(frames) // 2
        shown = frames.iloc[middle]
        pictures = [predicted(config, method, protocol, shown["pair"], shown["frame"]) for method in config.methods]
        given = [store.picture(shown["source_row"]), store.picture(shown["driver_row"])]
        rows.append([*given, truths(config, store, frames)[middle], *pictures])
    names = [method.replace("-", "\n", 1) for method in config.methods]
    return Sheet([Grid(columns=["source", "driver", "truth", *names], cell=128, column_breaks=[1, 2, 3])], [[rows]])


def between_people(config: Config) -> str | None:
    """The first protocol of a run in which people drive each other, if there is one."""
    for protocol in config.evaluation.protocols:
        pairs = tables.read(layout.pairs(config, protocol), tables.PAIRS)
        if (pairs["source_id"] != pairs["driver_id"]).any():
            return protocol
    return None


def predicted(config: Config, method: str, protocol: str, pair: str, frame: int) -> Picture:
    """The picture that a method made of a frame, if it did."""
    path = layout.predictions(config, method, protocol) / pair / f"{frame:04d}.png"
    return images.read(path) if path.is_file() else None


def truths(config: Config, store: FrameStore, frames: pd.DataFrame) -> list[Picture]:
    """The true picture of each of a pair's frames, where AnnyHeads can render it."""
    if (frames["target"] != "truth").any():
        return [None] * len(frames)
    from thedit.evaluation.annyheads import TruePictures  # only AnnyHeads has true pictures that nobody recorded

    cache = layout.measured(config) / "truth"  # scoring has rendered them
    return list(TruePictures(layout.data(config), store, store.size, cache).render(frames).image)
