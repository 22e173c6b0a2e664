"""All methods on the same frames."""

import pandas as pd

from thedit import layout
from thedit.config import Config
from thedit.figures.grid import Grid, Picture
from thedit.figures.sheet import Sheet, nothing
from thedit.metrics import images, tables
from thedit.shards.store import FrameStore


def show(config: Config, store: FrameStore, most: int = 5) -> Sheet:
    """One row a frame of the first protocol between people: source, driver, the truth, every method's prediction."""
    for protocol in config.evaluation.protocols:
        pairs = tables.read(layout.pairs(config, protocol), tables.PAIRS)
        if (pairs["source_id"] != pairs["driver_id"]).any():
            break
    else:
        return nothing("no protocol in which people drive each other")
    rows: list[list[Picture]] = []
    for _, frames in list(pairs.groupby("pair", sort=False))[:most]:
        middle = len(frames) // 2
        shown = frames.iloc[middle]
        pictures = [_prediction(config, method, protocol, shown) for method in config.methods]
        given = [store.picture(shown["source_row"]), store.picture(shown["driver_row"])]
        rows.append([*given, _truth(config, store, frames, middle), *pictures])
    names = [method.replace("-", "\n", 1) for method in config.methods]
    return Sheet([Grid(columns=["source", "driver", "truth", *names], cell=128, column_breaks=[1, 2, 3])], [[rows]])


def _prediction(config: Config, method: str, protocol: str, row: pd.Series) -> Picture:
    path = layout.predictions(config, method, protocol) / row["pair"] / f"{row['frame']:04d}.png"
    return images.read(path) if path.is_file() else None


def _truth(config: Config, store: FrameStore, frames: pd.DataFrame, number: int) -> Picture:
    if frames["target"].iloc[number] != "truth":
        return None
    from thedit.evaluation.annyheads import TruePictures  # only AnnyHeads has true pictures that nobody recorded

    cache = layout.measured(config) / "truth"  # scoring has rendered them
    return TruePictures(layout.data(config), store, store.size, cache).render(frames).image[number]
