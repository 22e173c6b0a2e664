"""Charts: the comparison with its intervals, quality by yaw, and the losses of training."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thedit import layout
from thedit.config import Config
from thedit.metrics import tables
from thedit.metrics.questions import SHOWN, Column
from thedit.report.figures import style

HEADING = 18  # points between a panel and the protocol's name above its first row, room for the panel's own title


def comparison(metrics: pd.DataFrame, config: Config, columns: Sequence[Column]) -> Figure | None:
    """One row a metric and network, one column a protocol, one bar a method with its interval; None without any value.

    ``columns`` are those of one question of `thedit.metrics.questions.QUESTIONS`.
    """
    cells = metrics.set_index(["protocol", "metric", "variant", "backend", "method"])[
        ["value", "ci_low", "ci_high"]
    ].sort_index()
    measured = {key[:4] for key, value in cells["value"].items() if not np.isnan(value)}
    protocols = config.evaluation.protocols
    keys = [
        (one, backend)
        for one in columns
        for backend in sorted({name for _, *key, name in measured if tuple(key) == (one.metric, one.variant)})
    ]
    if not keys:
        return None
    height = 0.42 + 0.15 * len(config.methods)
    figure = Figure(figsize=(1.4 + 2.3 * len(protocols), height * len(keys) + 0.3), layout="constrained")
    axes = figure.subplots(len(keys), len(protocols), squeeze=False, sharey=True)
    colours = style.colours(config.methods)
    for row, ((metric, variant, heading, better), backend) in enumerate(keys):
        for column, protocol in enumerate(protocols):
            axis = axes[row, column]
            if (protocol, metric, variant, backend) in measured:
                _bars(axis, cells.loc[protocol, metric, variant, backend].reindex(config.methods), colours)
            else:
                axis.set_axis_off()
            if row == 0:
                axis.annotate(
                    protocol, (0.5, 1), (0, HEADING), "axes fraction", "offset points", fontweight="bold", ha="center"
                )
        axes[row, 0].set_title(f"{heading} {better}  {backend}", loc="left", fontsize=8)
    axes[0, 0].invert_yaxis()
    return figure


def views(table: pd.DataFrame, config: Config) -> Figure:
    """One panel a metric and one line a method over yaw, with its interval.

    ``table`` has at least one row, of schema `tables.VIEWS`; of several protocols the first one is shown.
    """
    shown = table[table["protocol"] == table["protocol"].iloc[0]]
    panels = list(shown.groupby(["metric", "variant", "backend"]))
    figure = Figure(figsize=(3 * len(panels), 2.8), layout="constrained")
    colours = style.colours(config.methods)
    for axis, ((metric, variant, _), rows) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels):
        for method, line in rows.groupby("method"):
            axis.fill_between(
                line["yaw"], line["ci_low"], line["ci_high"], color=colours[method], alpha=0.15, linewidth=0
            )
            axis.plot(line["yaw"], line["value"], color=colours[method], marker="o", markersize=4, label=method)
        axis.set_title(f"{metric} {SHOWN[metric, variant]}  {variant}", loc="left", fontsize=8)
        axis.set(xlabel="degrees to either side", xticks=sorted(set(rows["yaw"])))
    figure.axes[-1].legend(fontsize=7)
    return figure


def training(config: Config) -> Figure:
    """The sum of the losses of every trained method against the pairs seen, on a logarithmic scale."""
    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axis = figure.subplots()
    table = tables.read(layout.run(config) / "training.parquet", tables.TRAINING)
    totals = table[table["loss"] == "total"]
    trained = [name for name in config.methods if name in set(totals["method"])]
    for method, colour in style.colours(trained).items():
        log = totals[totals["method"] == method]
        smooth = log["value"].rolling(max(1, len(log) // 40), min_periods=1).median()
        axis.plot(log["images"], log["value"], color=colour, alpha=0.15, linewidth=0.6)
        axis.plot(log["images"], smooth, color=colour, label=method, linewidth=1.6)
    axis.set(xlabel="image pairs seen", ylabel="sum of weighted losses", yscale="log")
    if trained:
        axis.legend()
    return figure


def _bars(axis: Axes, table: pd.DataFrame, colours: dict[str, str]) -> None:
    places = np.arange(len(table))
    value = table["value"].where(np.isfinite(table["value"]))
    below = (value - table["ci_low"]).clip(lower=0).fillna(0)
    above = (table["ci_high"] - value).clip(lower=0).fillna(0)
    bars: dict[str, Any] = {"height": 0.72, "color": [colours[method] for method in table.index]}
    axis.barh(
        places, value, xerr=[below, above], error_kw={"ecolor": "#333", "elinewidth": 0.9, "capsize": 1.8}, **bars
    )
    for place, missing in enumerate(table["value"]):
        if not np.isfinite(missing):
            axis.text(0, place, " ∞" if np.isposinf(missing) else " –", va="center", color="#888888")
    axis.set_yticks(places, table.index)
    axis.tick_params(axis="y", length=0, labelsize=7.5)
    axis.tick_params(axis="x", labelsize=7)
    axis.locator_params(axis="x", nbins=4)
