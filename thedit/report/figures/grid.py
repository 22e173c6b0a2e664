"""Pictures in rows and columns with headings, for still figures and for animations."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from thedit.files import atomic

Picture = np.ndarray | None  # (S, S, 3) uint8; None leaves the cell empty
INK, PAPER, EMPTY = (34, 34, 34), (255, 255, 255), (238, 238, 238)


@dataclass(frozen=True)
class Grid:
    """The shape of a grid of square pictures; all lengths in pixels of the figure.

    cell: side of a picture; gap: between pictures; columns, rows: headings above and left; breaks: extra space before
    these columns or rows; heading: width of the row headings.
    """

    columns: Sequence[str] = ()
    rows: Sequence[str] = ()
    cell: int = 128
    gap: int = 4
    heading: int = 0
    column_breaks: Sequence[int] = field(default=())
    row_breaks: Sequence[int] = field(default=())
    break_width: int = 14

    def draw(self, pictures: Sequence[Sequence[Picture]]) -> Image.Image:
        """Lay out ``pictures``, a sequence of rows."""
        lines = max((text.count("\n") + 1 for text in self.columns if text), default=0)
        top = 12 + 18 * lines if lines else self.gap
        lefts = self._starts(max(len(row) for row in pictures), self.heading + self.gap, self.column_breaks)
        tops = self._starts(len(pictures), top, self.row_breaks)
        size = lefts[-1] + self.cell + self.gap, tops[-1] + self.cell + self.gap
        canvas = Image.new("RGB", size, PAPER)
        pen = ImageDraw.Draw(canvas)
        for left, text in zip(lefts, self.columns):
            pen.multiline_text(
                (left + self.cell / 2, top / 2), text, INK, _font(15), anchor="mm", align="center", spacing=3
            )
        for upper, text in zip(tops, self.rows):
            middle = self.heading - 8, upper + self.cell / 2
            pen.multiline_text(middle, text, INK, _font(15), anchor="rm", align="right", spacing=3)
        for upper, row in zip(tops, pictures):
            for left, picture in zip(lefts, row):
                if picture is not None:
                    canvas.paste(enlarge(picture, self.cell), (left, upper))
        return canvas

    def _starts(self, count: int, first: int, breaks: Sequence[int]) -> list[int]:
        extra = [self.break_width * sum(number >= at for at in breaks) for number in range(count)]
        return [first + number * (self.cell + self.gap) + extra[number] for number in range(count)]


def enlarge(picture: np.ndarray, side: int) -> Image.Image:
    """A uint8 picture at another size, resampled with Lanczos' filter."""
    return Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS)


def notice(text: str) -> Image.Image:
    """A picture that says why there is no picture."""
    canvas = Image.new("RGB", (640, 120), PAPER)
    ImageDraw.Draw(canvas).multiline_text((320, 60), text, INK, _font(16), anchor="mm", align="center")
    return canvas


def save(path: Path, picture: Image.Image) -> None:
    """Write a PNG."""
    with atomic(path) as sibling:
        picture.save(sibling, optimize=True)


def animate(path: Path, frames: Sequence[Image.Image], rate: float) -> None:
    """Write an endless WebP of ``rate`` frames a second."""
    first, *rest = frames
    with atomic(path) as sibling:
        first.save(
            sibling,
            "WEBP",
            save_all=True,
            append_images=rest,
            duration=round(1000 / rate),
            loop=0,
            quality=85,
            method=6,
        )


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", size)
