"""All methods on the same frames."""

import numpy as np
import pandas as pd
from PIL import Image

from thedit.config import Config
from thedit.evaluation import layout
from thedit.figures.grid import Grid, Picture, notice
from thedit.shards.store import FrameStore


def draw(config: Config, store: FrameStore, most: int = 5) -> Image.Image:
    """One row a frame of the first protocol between people: source, driver, then every method's stored prediction."""
    for protocol in config.evaluation.protocols:
        pairs = pd.read_parquet(layout.pairs(config, protocol))
        if (pairs["source_id"] != pairs["driver_id"]).any():
            break
    else:
        return notice("no protocol in which people drive each other")
    rows: list[list[Picture]] = []
    for _, frames in list(pairs.groupby("pair", sort=False))[:most]:
        shown = frames.iloc[len(frames) // 2]
        pictures = [_read(config, method, protocol, shown) for method in config.methods]
        rows.append([store.picture(shown["source_row"]), store.picture(shown["driver_row"]), *pictures])
    names = [method.replace("planedict-", "planedict\n") for method in config.methods]
    return Grid(columns=["source", "driver", *names], cell=144, column_breaks=[1, 2]).draw(rows)


def _read(config: Config, method: str, protocol: str, row: pd.Series) -> Picture:
    path = layout.predictions(config, method, protocol) / row["pair"] / f"{row['frame']:04d}.png"
    return np.array(Image.open(path)) if path.is_file() else None
