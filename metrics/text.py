"""The table of results for people to read."""

import io
import math
from collections.abc import Mapping
from types import MappingProxyType

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from thedit.metrics.aggregate import IDENTICAL

# The one variant of each metric that the short table shows, and whether more or less of it is better.
SHOWN = {
    ("csim", "source"): "↑",
    ("csim", "source-rescaled"): "↑",
    ("csim", "target"): "↑",
    ("aed", "landmarks-mm"): "↓",
    ("aed", "landmarks-mm-centred"): "↓",
    ("aed", "mean-absolute"): "↓",
    ("expression-tracking", "correlation"): "↑",
    ("expression-tracking", "mouth-height-correlation"): "↑",
    ("expression-tracking", "error"): "↓",
    ("expression-tracking", "correlation@driver"): "↑",
    ("apd", "geodesic-degrees"): "↓",
    ("apd", "geodesic-degrees@camera"): "↓",
    ("psnr", "target"): "↑",
    ("psnr", "target-head"): "↑",
    ("psnr", "target-parts"): "↑",
    ("ssim", "target"): "↑",
    ("perceptual", "target"): "↓",
    ("lpips", "target"): "↓",
    ("flicker", "warping-excess"): "↓",
    ("frechet", "driver"): "↓",
    ("fid", "driver"): "↓",
    ("kernel", "driver"): "↓",
    ("kid", "driver"): "↓",
}


def readable(metrics: pd.DataFrame, outside: Mapping[str, Mapping[str, str]] = MappingProxyType({})) -> str:
    """One table a protocol (schema `thedit.metrics.tables.METRICS`): a row a metric, a column a method.

    Each cell has the value, its 95 % interval, and how many frames could not be measured. ``outside`` has, by protocol,
    methods that it does not apply to, and why.
    """
    output = io.StringIO()
    console = Console(width=1000, file=output, force_terminal=False)
    for protocol, rows in metrics.groupby("protocol"):
        console.print(_table(str(protocol), rows, outside.get(str(protocol), {})))
    return "\n".join(line.rstrip() for line in output.getvalue().splitlines())


def _table(protocol: str, rows: pd.DataFrame, outside: Mapping[str, str]) -> Table:
    methods = sorted({*rows["method"], *outside})
    table = Table(title=protocol, title_justify="left", box=SIMPLE_HEAD)
    for heading in ("metric", "variant", "network", *methods):
        table.add_column(heading)
    for (metric, variant), better in SHOWN.items():
        shown = rows[(rows["metric"] == metric) & (rows["variant"] == variant)].set_index("method")
        for backend, cells in shown.groupby("backend"):
            alike = rows[(rows["metric"] == metric) & (rows["variant"] == variant + IDENTICAL)].set_index("method")
            values = (outside.get(method) or _cell(cells, method) + _alike(alike, method) for method in methods)
            table.add_row(f"{metric} {better}", variant, str(backend), *values)
    return table


def _cell(cells: pd.DataFrame, method: str) -> str:
    if method not in cells.index:
        return ""
    cell = cells.loc[[method]].iloc[0]
    value = "none" if math.isnan(cell["value"]) else f"{cell['value']:.3g}"
    spread = "" if math.isnan(cell["ci_low"]) else f" ({cell['ci_low']:.3g} to {cell['ci_high']:.3g})"
    failed = f", {cell['n_failed']} failed" if cell["n_failed"] else ""
    return value + spread + failed


def _alike(cells: pd.DataFrame, method: str) -> str:
    """How many frames are no part of the mean, because they are identical to their target."""
    if method not in cells.index:
        return ""
    cell = cells.loc[[method]].iloc[0]
    return f", {round(cell['value'] * cell['n'])} identical"
