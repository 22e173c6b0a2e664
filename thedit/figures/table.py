"""The comparison as HTML for the report and as Markdown for the README.

The numbers are those of metrics.parquet and cost.parquet.
"""

import html
import math

import pandas as pd

from metrics.text import SHOWN

Table = tuple[list[str], list[list[tuple[str, str]]]]  # headings; rows of cells, each a value and what stands below it

STYLE = """
body { font: 14px/1.45 system-ui, "DejaVu Sans", sans-serif; color: #222; margin: 1.5em; background: white }
h2 { font-size: 1.05em; margin: 1.6em 0 .4em }
table { border-collapse: collapse }
th, td { padding: .3em .9em .3em 0; text-align: right; vertical-align: top; white-space: nowrap }
th { border-bottom: 1.5px solid #222; font-weight: 600; white-space: pre-line }
td { border-bottom: 1px solid #e4e4e4 }
th:first-child, td:first-child { text-align: left }
small { color: #666; display: block }
"""


COST = {
    "parameters": "{:,.0f}",
    "encode_gflops": "{:.3g}",
    "drive_gflops": "{:.3g}",
    "frames_per_second": "{:.3g}",
    "peak_mib": "{:.0f}",
    "training_images": "{:,.0f}",
    "training_hours": "{:.2g}",
}


def by_protocol(metrics: pd.DataFrame, methods: list[str]) -> dict[str, Table]:
    """Headings and rows for each protocol; a row is the method and a pair (value, interval and failures) a metric."""
    tables = {}
    for protocol, group in metrics.groupby("protocol", sort=False):
        there = set(zip(group["metric"], group["variant"]))
        keys = [key for key in SHOWN if key in there]
        cells = group.set_index(["method", "metric", "variant"])
        backend = {
            key: group[(group["metric"] == key[0]) & (group["variant"] == key[1])]["backend"].iloc[0] for key in keys
        }
        headings = [
            f"{metric} {SHOWN[metric, variant]}\n{variant}\n{backend[metric, variant]}" for metric, variant in keys
        ]
        rows = [[(method, ""), *(_cell(cells, (method, *key)) for key in keys)] for method in methods]
        tables[str(protocol)] = headings, rows
    return tables


def as_html(metrics: pd.DataFrame, cost: pd.DataFrame, methods: list[str]) -> str:
    """A page with one table a protocol, and one of what the methods cost."""
    parts = [f"<!doctype html><meta charset='utf-8'><title>Comparison</title><style>{STYLE}</style>"]
    for title, (headings, rows) in {**by_protocol(metrics, methods), "cost": _cost(cost)}.items():
        head = "".join(f"<th>{html.escape(text)}</th>" for text in ["method", *headings])
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(value)}<small>{html.escape(more)}</small></td>" for value, more in row)
            for row in rows
        )
        parts.append(f"<h2>{html.escape(title)}</h2><table><tr>{head}</tr>{body}</table>")
    return "\n".join(parts) + "\n"


def as_markdown(metrics: pd.DataFrame, methods: list[str]) -> str:
    """One Markdown table a protocol."""
    tables = by_protocol(metrics, methods).items()
    return "\n\n".join(f"**{protocol}**\n\n{_markdown(*table)}" for protocol, table in tables)


def cost_as_markdown(cost: pd.DataFrame) -> str:
    """What the methods cost, as a Markdown table."""
    return _markdown(*_cost(cost))


def _cost(cost: pd.DataFrame) -> Table:
    headings = [name.replace("_", " ") for name in COST]
    rows = []
    for row in cost.itertuples():
        values = ((form, getattr(row, name)) for name, form in COST.items())
        rows.append([(row.method, row.reason), *(("–" if pd.isna(v) else form.format(v), "") for form, v in values)])
    return headings, rows


def _markdown(headings: list[str], rows: list[list[tuple[str, str]]]) -> str:
    titles = ["method", *(text.replace("\n", "<br>") for text in headings)]
    lines = [_line(titles), _line(["---", *["--:"] * len(headings)])]
    lines += [_line([value + (f"<br>{more}" if more else "") for value, more in row]) for row in rows]
    return "\n".join(lines)


def _cell(cells: pd.DataFrame, key: tuple[str, str, str]) -> tuple[str, str]:
    if key not in cells.index or math.isnan(cells.loc[key, "value"]):
        return "–", ""
    cell = cells.loc[key]
    spread = "" if math.isnan(cell["ci_low"]) else f"{cell['ci_low']:.3g} … {cell['ci_high']:.3g}"
    failed = f"{cell['n_failed']} of {cell['n'] + cell['n_failed']} failed" if cell["n_failed"] else ""
    return f"{cell['value']:.3g}", ", ".join(part for part in (spread, failed) if part)


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
