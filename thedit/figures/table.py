"""The comparison as HTML for the report and as Markdown for the README.

The numbers are those of metrics.parquet and cost.parquet.
"""

import html
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from thedit import layout, parquet
from thedit.config import Config
from thedit.metrics import tables
from thedit.metrics.text import SHOWN

Cell = tuple[str, str]  # a value, and what stands below it in small letters

STYLE = """
body { font: 14px/1.45 system-ui, "DejaVu Sans", sans-serif; color: #222; margin: 1.5em; background: white }
h2 { font-size: 1.05em; margin: 1.6em 0 .4em }
table { border-collapse: collapse }
th, td { padding: .3em .9em .3em 0; text-align: right; vertical-align: top; white-space: nowrap }
th { border-bottom: 1.5px solid #222; font-weight: 600 }
td { border-bottom: 1px solid #e4e4e4 }
th:first-child, td:first-child { text-align: left }
small { color: #666; display: block }
"""
MATTERS = (
    ("psnr", "target-head"),
    ("psnr", "target-parts"),
    ("perceptual", "target"),
    ("lpips", "target"),
    ("csim", "source-rescaled"),
    ("expression-tracking", "correlation"),
    ("expression-tracking", "mouth-height-correlation"),
    ("aed", "landmarks-mm-centred"),
    ("apd", "geodesic-degrees"),
    ("apd", "geodesic-degrees@camera"),
)
COST = {
    "parameters": "{:,.0f}",
    "encode_gflops": "{:.3g}",
    "drive_gflops": "{:.3g}",
    "frames_per_second": "{:.3g}",
    "peak_mib": "{:.0f}",
    "training_images": "{:,.0f}",
    "training_hours": "{:.2g}",
}


@dataclass(frozen=True)
class Table:
    """A table for people; the first column is a heading."""

    title: str
    headings: list[str]
    rows: list[list[Cell]]


def of_run(config: Config, chosen: Iterable[tuple[str, str]] = tuple(SHOWN)) -> list[Table]:
    """One table a protocol, a row a ``chosen`` metric and a column a method; and one of what the methods cost."""
    folder = layout.run(config)
    metrics, cost = tables.read(folder / "metrics.parquet", tables.METRICS), parquet.read(folder / "cost.parquet")
    compared = [
        compare(protocol, metrics[metrics["protocol"] == protocol], methods, chosen)
        for protocol, methods in outside(config).items()
    ]
    return [*compared, costs(cost)]


def compare(
    protocol: str, metrics: pd.DataFrame, outside: dict[str, str], chosen: Iterable[tuple[str, str]] = tuple(SHOWN)
) -> Table:
    """The table of one protocol.

    chosen: metrics and variants, keys of `thedit.metrics.text.SHOWN`.
    outside: the reason why the protocol does not apply to a method, or nothing, by method; its keys are the columns.
    """
    rows = []
    for metric, variant in chosen:
        shown = metrics[(metrics["metric"] == metric) & (metrics["variant"] == variant)]
        for backend, group in shown.set_index("method").groupby("backend"):
            heading = f"{metric} {SHOWN[metric, variant]}", ", ".join(part for part in (variant, str(backend)) if part)
            rows.append([heading, *(_measured(group, method, reason) for method, reason in outside.items())])
    return Table(protocol, ["metric", *outside], rows)


def costs(cost: pd.DataFrame) -> Table:
    """What the methods cost: a row a method."""
    rows = []
    for row in cost.itertuples():
        values = [(form, getattr(row, name)) for name, form in COST.items()]
        rows.append([(row.method, row.reason), *(("–" if pd.isna(v) else form.format(v), "") for form, v in values)])
    return Table("cost", ["method", *(name.replace("_", " ") for name in COST)], rows)


def as_html(shown: list[Table]) -> str:
    """A page of tables."""
    parts = [f"<!doctype html><meta charset='utf-8'><title>Comparison</title><style>{STYLE}</style>"]
    for table in shown:
        head = "".join(f"<th>{html.escape(text)}</th>" for text in table.headings)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(value)}<small>{html.escape(more)}</small></td>" for value, more in row)
            for row in table.rows
        )
        parts.append(f"<h2>{html.escape(table.title)}</h2><table><tr>{head}</tr>{body}</table>")
    return "\n".join(parts) + "\n"


def as_markdown(shown: list[Table]) -> str:
    """Tables in Markdown."""
    return "\n\n".join(f"**{table.title}**\n\n{_markdown(table)}" for table in shown)


def _markdown(table: Table) -> str:
    lines = [_line(table.headings), _line(["---", *["--:"] * (len(table.headings) - 1)])]
    lines += [_line([value + (f"<br><sub>{more}</sub>" if more else "") for value, more in row]) for row in table.rows]
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _measured(group: pd.DataFrame, method: str, outside: str) -> Cell:
    if outside:
        return "–", outside
    if method not in group.index:
        return "–", ""
    row: Any = group.loc[method]
    spread = f"{row['ci_low']:.3g} … {row['ci_high']:.3g}" if np.isfinite([row["ci_low"], row["ci_high"]]).all() else ""
    failed = f"{row['n_failed']} of {row['n'] + row['n_failed']} failed" if row["n_failed"] else ""
    value = "none" if np.isnan(row["value"]) else "∞" if np.isinf(row["value"]) else f"{row['value']:.3g}"
    return value, ", ".join(part for part in (spread, failed) if part)


def outside(config: Config) -> dict[str, dict[str, str]]:
    """For each protocol of a run the reason why it does not apply to a method, or nothing, by method."""
    status = tables.read(layout.run(config) / "status.parquet", tables.STATUS).set_index(["protocol", "method"])
    reasons = status.loc[status["status"] == "not applicable", "reason"].to_dict()
    return {
        protocol: {method: reasons.get((protocol, method), "") for method in config.methods}
        for protocol in config.evaluation.protocols
    }
