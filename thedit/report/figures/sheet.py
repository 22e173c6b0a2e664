"""What a figure of pictures shows, kept as a table, so that the figure can be drawn again without the frames.

results/<run>/pictures/<figure>.parquet has a row for each picture and the moment from which on it is shown; the layout
stands in the table's metadata.
"""

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from thedit.errors import UserError
from thedit.files import atomic
from thedit.report.figures import grid
from thedit.report.figures.grid import PAPER, Grid, Picture

Rows = Sequence[Sequence[Picture]]
SCHEMA = pa.schema([*((place, pa.int32()) for place in ("moment", "grid", "row", "column")), ("picture", pa.binary())])


@dataclass(frozen=True)
class Sheet:
    """Grids of pictures, one above the other, at one moment or at several.

    grids: how each is laid out; moments: the rows of each grid, at each moment, always as many and as long; rate:
    moments a second; notice: what is said instead where there is nothing to show.
    """

    grids: Sequence[Grid]
    moments: Sequence[Sequence[Rows]]
    rate: float = 0.0
    notice: str = ""

    def draw(self) -> list[Image.Image]:
        """The figure at each moment."""
        if self.notice:
            return [grid.notice(self.notice)]
        return [_stack([one.draw(rows) for one, rows in zip(self.grids, moment)]) for moment in self.moments]


def nothing(reason: str) -> Sheet:
    """A sheet without pictures that says why."""
    return Sheet([], [], notice=reason)


def save(path: Path, sheet: Sheet) -> None:
    """Write the table: pictures as lossless WebP, none larger than its cell, none again that has not changed."""
    rows = []
    shown: dict[tuple[int, int, int], bytes | None] = {}
    for moment, grids in enumerate(sheet.moments):
        for number, (layout, lines) in enumerate(zip(sheet.grids, grids)):
            for line, pictures in enumerate(lines):
                for column, picture in enumerate(pictures):
                    place = number, line, column
                    encoded = None if picture is None else _encode(picture, layout.cell)
                    if place not in shown or shown[place] != encoded:
                        shown[place] = encoded
                        rows.append(dict(zip(SCHEMA.names, (moment, *place, encoded))))
    layouts = [asdict(layout) for layout in sheet.grids]
    facts = {"grids": layouts, "moments": len(sheet.moments), "rate": sheet.rate, "notice": sheet.notice}
    table = pa.Table.from_pylist(rows, SCHEMA.with_metadata({"sheet": json.dumps(facts)}))
    with atomic(path) as sibling:
        pq.write_table(table, sibling, compression="none", use_dictionary=False)


def load(path: Path) -> Sheet:
    """Read what `save` wrote; `UserError` if it is damaged."""
    try:
        table = pq.read_table(path)
        facts = json.loads(table.schema.metadata[b"sheet"])
        grids = [Grid(**one) for one in facts["grids"]]
        changes: list[list[dict[str, Any]]] = [[] for _ in range(facts["moments"])]
        for row in table.to_pylist():
            changes[row["moment"]].append(row)
        shown: list[dict[int, dict[int, Picture]]] = [{} for _ in grids]  # by grid, row and column, all in order
        moments = []
        for changed in changes:
            for row in changed:
                picture = None if row["picture"] is None else _decode(row["picture"])
                shown[row["grid"]].setdefault(row["row"], {})[row["column"]] = picture
            moments.append([[[*line.values()] for line in lines.values()] for lines in shown])
    except (OSError, ValueError, LookupError, TypeError, pa.ArrowException) as error:
        raise UserError(f"{path}: cannot be read ({error}); make it again with 'thedit figures'.") from error
    return Sheet(grids, moments, facts["rate"], facts["notice"])


def _stack(parts: Sequence[Image.Image]) -> Image.Image:
    joined = Image.new("RGB", (max(part.width for part in parts), sum(part.height for part in parts)), PAPER)
    for number, part in enumerate(parts):
        joined.paste(part, (0, sum(above.height for above in parts[:number])))
    return joined


def _encode(picture: np.ndarray, cell: int) -> bytes:
    image = grid.enlarge(picture, cell) if len(picture) > cell else Image.fromarray(picture)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", lossless=True)
    return buffer.getvalue()


def _decode(encoded: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(encoded)).convert("RGB"))
