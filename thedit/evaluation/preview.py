"""Preview videos: source, driver and result side by side."""

from collections.abc import Iterable
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
import pandas as pd
from PIL import Image

from thedit.files import atomic
from thedit.shards.store import FrameStore

SIDE = 256
RATE = 10


def write(path: Path, store: FrameStore, rows: pd.DataFrame, folder: Path) -> None:
    """Write an H.264 video of a pair's ``rows``: source, driver, result (``folder/<frame:04d>.png``; grey if none)."""
    frames = []
    for row in rows.itertuples():
        result = folder / f"{row.frame:04d}.png"
        shown = np.array(Image.open(result)) if result.is_file() else np.full((SIDE, SIDE, 3), 128, np.uint8)
        pictures = store.picture(row.source_row), store.picture(row.driver_row), shown
        frames.append(np.concatenate([enlarge(picture, SIDE) for picture in pictures], axis=1))
    video(path, frames)


def video(path: Path, frames: Iterable[np.ndarray], rate: int | Fraction = RATE) -> None:
    """Write uint8 frames (H, W, 3) of even sides, at least one, as an H.264 mp4 of ``rate`` frames a second."""
    frames = iter(frames)
    first = next(frames)
    height, width, _ = first.shape
    with atomic(path) as sibling, av.open(str(sibling), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt, stream.time_base = width, height, "yuv420p", 1 / Fraction(rate)
        for frame in chain([first], frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def enlarge(picture: np.ndarray, side: int) -> np.ndarray:
    """A uint8 picture (S, S, 3) resized to ``side``."""
    return np.array(Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS))
