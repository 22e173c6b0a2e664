"""The results as a reader asks for them: one table a question, methods as rows, metrics as columns.

Each table has at most six columns, the method, four metrics, and how many frames were measured: it fits a terminal.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd

from thedit.metrics.aggregate import IDENTICAL

MOST = 4  # metrics in a table
MOST_FAILED = 0.1  # share of its frames that a method may have failed on and still be the best of a column


class Column(NamedTuple):
    """One metric of a table: a variant of it, what a reader calls it, and whether more or less of it is better."""

    metric: str
    variant: str
    heading: str
    better: str


QUESTIONS = {
    "identity": (
        Column("csim", "source-rescaled", "CSIM rescaled", "↑"),
        Column("csim", "source", "CSIM source", "↑"),
        Column("csim", "target", "CSIM target", "↑"),
    ),
    "expression": (
        Column("expression-tracking", "correlation", "tracking r", "↑"),
        Column("expression-tracking", "mouth-height-correlation", "mouth r", "↑"),
        Column("expression-tracking", "error", "tracking error", "↓"),
        Column("expression-tracking", "correlation@driver", "r with driver", "↑"),
        Column("aed", "landmarks-mm-centred", "AED centred, mm", "↓"),
        Column("aed", "landmarks-mm", "AED, mm", "↓"),
        Column("aed", "mean-absolute", "AED mean absolute", "↓"),
    ),
    "pose": (
        Column("apd", "geodesic-degrees", "APD driver, °", "↓"),
        Column("apd", "geodesic-degrees@camera", "APD camera, °", "↓"),
    ),
    "picture": (
        Column("psnr", "target-head", "PSNR head, dB", "↑"),
        Column("psnr", "target-parts", "PSNR eyes, mouth", "↑"),
        Column("psnr", "target", "PSNR, dB", "↑"),
        Column("ssim", "target", "SSIM", "↑"),
        Column("perceptual", "target", "perceptual", "↓"),
        Column("lpips", "target", "LPIPS", "↓"),
    ),
    "clip": (
        Column("frechet", "driver", "Fréchet", "↓"),
        Column("fid", "driver", "FID", "↓"),
        Column("kernel", "driver", "kernel", "↓"),
        Column("kid", "driver", "KID", "↓"),
        Column("flicker", "warping-excess", "flicker", "↓"),
    ),
}
ASKED = {
    "identity": "is it the same person?",
    "expression": "does the expression follow?",
    "pose": "does the pose follow?",
    "picture": "is the picture right?",
    "clip": "do the pictures look like the data's, and hold still?",
}
SUMMARY = (
    Column("csim", "source-rescaled", "CSIM rescaled", "↑"),
    Column("expression-tracking", "correlation", "tracking r", "↑"),
    Column("apd", "geodesic-degrees", "APD, °", "↓"),
    Column("psnr", "target-head", "PSNR head, dB", "↑"),
)
SHOWN = {(column.metric, column.variant): column.better for columns in QUESTIONS.values() for column in columns}


class Cell(NamedTuple):
    """A value, what stands below it in small letters, and whether it is the best of its column."""

    value: str
    more: str = ""
    best: bool = False


@dataclass(frozen=True)
class Table:
    """A table for people; the first column is a heading, ``note`` stands below."""

    title: str
    headings: list[str]
    rows: list[list[Cell]]
    note: str = ""


Found = tuple[Column, str, pd.DataFrame]  # a column, the network behind it, and its rows by method


def questions(
    protocol: str,
    metrics: pd.DataFrame,
    outside: Mapping[str, str],
    bounds: Collection[str] = (),
    asked: Mapping[str, Iterable[Column]] = MappingProxyType(QUESTIONS),
) -> list[Table]:
    """The tables of one protocol.

    metrics: rows of schema `thedit.metrics.tables.METRICS` of that protocol.
    outside: the reason why the protocol does not apply to a method, or nothing, by method; its keys are the rows.
    bounds: methods that are trivial bounds: they have no part in what is best, nor has what failed on more than
    `MOST_FAILED` of its frames, whose value is that of the easy ones.
    """
    tables = []
    for question, columns in asked.items():
        found = [
            (column, backend, rows.set_index("method"))
            for column in columns
            for backend, rows in metrics[
                (metrics["metric"] == column.metric) & (metrics["variant"] == column.variant)
            ].groupby("backend")
        ]
        title = f"{protocol}: {ASKED.get(question, question)}"
        tables += [_table(title, part, outside, bounds, _identical(part, metrics)) for part in _parts(found)]
    return tables


def _parts(found: list[Found]) -> list[list[Found]]:
    """Groups of at most `MOST`, as even as they can be."""
    count = -(-len(found) // MOST)
    return [found[len(found) * part // count : len(found) * (part + 1) // count] for part in range(count)]


def _table(
    title: str, found: list[Found], outside: Mapping[str, str], bounds: Collection[str], alike: Mapping[str, int]
) -> Table:
    compete = [method for method, reason in outside.items() if not reason and method not in bounds]
    columns = []
    for column, _, rows in found:
        measured = rows[rows["n_failed"] <= MOST_FAILED * (rows["n"] + rows["n_failed"])]
        values = measured["value"].reindex(compete).dropna()
        best = (values.max() if column.better == "↑" else values.min()) if len(values) > 1 else np.nan
        columns.append(
            [_cell(rows, method, reason, method in values.index, best) for method, reason in outside.items()]
        )
    counts = [_count([rows for _, _, rows in found], method, alike.get(method, 0)) for method in outside]
    lines = zip(outside, *columns, counts)
    backends = dict.fromkeys(f"{column.heading}: {backend}" for column, backend, _ in found if backend)
    headings = ["method", *(f"{column.heading} {column.better}" for column, _, _ in found), "n"]
    return Table(title, headings, [[Cell(method), *rest] for method, *rest in lines], "; ".join(backends))


def _cell(rows: pd.DataFrame, method: str, outside: str, competes: bool, best: float) -> Cell:
    if outside or method not in rows.index:
        return Cell("–", outside)
    row = rows.loc[[method]].iloc[0]
    spread = f"{row['ci_low']:.3g}…{row['ci_high']:.3g}" if np.isfinite([row["ci_low"], row["ci_high"]]).all() else ""
    value = number(row["value"])
    return Cell(value, spread, competes and value == number(best))


def _identical(found: list[Found], metrics: pd.DataFrame) -> dict[str, int]:
    """How many frames of each method have no part in a mean of the table, because they are their own target."""
    names = {(column.metric, column.variant + IDENTICAL) for column, _, _ in found}
    rows = metrics[[key in names for key in zip(metrics["metric"], metrics["variant"])]]
    return (rows["value"] * rows["n"]).round().groupby(rows["method"]).max().astype(int).to_dict()


def _count(columns: list[pd.DataFrame], method: str, alike: int) -> Cell:
    """How many frames stand behind a row of a table; how many failed, and how many are identical to their target.

    The least and the most of the table's columns.
    """
    rows = pd.concat([rows.loc[[method]] for rows in columns if method in rows.index] or [pd.DataFrame()])
    if rows.empty:
        return Cell("–")
    least, most, failed = rows["n"].min(), rows["n"].max(), rows["n_failed"].max()
    more = [f"{number} {what}" for number, what in ((failed, "failed"), (alike, "identical")) if number]
    return Cell(f"{least}" if least == most else f"{least}–{most}", ", ".join(more))


def number(value: float) -> str:
    """Three digits; ``none`` and ``∞`` for what has no digits."""
    return "none" if np.isnan(value) else "∞" if np.isinf(value) else f"{value:.3g}"
