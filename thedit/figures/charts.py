"""Charts: the comparison with its intervals, and the losses of training."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from metrics.text import SHOWN
from thedit.config import Config
from thedit.evaluation import layout
from thedit.figures import style
from thedit.methods import registry


def comparison(metrics: pd.DataFrame, methods: list[str]) -> Figure:
    """One row a protocol, one panel a metric (those of the short table), one bar a method with its interval."""
    shown = metrics.set_index(["metric", "variant"]).index.isin(list(SHOWN))
    metrics = metrics[shown & metrics["value"].notna()]
    keys = [key for key in SHOWN if key in set(zip(metrics["metric"], metrics["variant"]))]
    protocols = list(metrics["protocol"].unique())
    height = 0.55 + 0.2 * len(methods)
    figure = Figure(figsize=(1.65 * len(keys) + 1.2, height * len(protocols)), layout="constrained")
    axes = figure.subplots(len(protocols), len(keys), squeeze=False, sharey=True)
    colours = style.colours(methods)
    for row, protocol in zip(axes, protocols):
        for axis, key in zip(row, keys):
            chosen = (metrics["protocol"] == protocol) & (metrics["metric"] == key[0]) & (metrics["variant"] == key[1])
            _bars(axis, metrics[chosen].set_index("method").reindex(methods), colours)
            if row is axes[0]:
                axis.set_title(f"{key[0]} {SHOWN[key]}\n{key[1]}")
        row[0].set_ylabel(protocol, fontweight="bold")
    axes[0][0].invert_yaxis()
    return figure


def training(config: Config) -> Figure:
    """The sum of the losses of every trained method against the pairs seen, on a logarithmic scale."""
    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axis = figure.subplots()
    trained = [name for name in config.methods if registry.find(name).trained]
    for method, colour in style.colours(trained).items():
        log = pd.read_parquet(layout.weights(config, method).with_name("log.parquet"))
        smooth = log["total"].rolling(max(1, len(log) // 40), min_periods=1).median()
        axis.plot(log["images"], log["total"], color=colour, alpha=0.15, linewidth=0.6)
        axis.plot(log["images"], smooth, color=colour, label=method, linewidth=1.6)
    axis.set(xlabel="image pairs seen", ylabel="sum of weighted losses", yscale="log")
    if trained:
        axis.legend()
    return figure


def _bars(axis: Axes, table: pd.DataFrame, colours: dict[str, str]) -> None:
    places = np.arange(len(table))
    low = (table["value"] - table["ci_low"]).clip(lower=0).fillna(0)
    high = (table["ci_high"] - table["value"]).clip(lower=0).fillna(0)
    whiskers = {"ecolor": "#333333", "elinewidth": 0.9, "capsize": 1.8}
    axis.barh(
        places,
        table["value"],
        xerr=[low, high],
        height=0.72,
        color=[colours[m] for m in table.index],
        error_kw=whiskers,
    )
    for place, value in enumerate(table["value"]):
        if np.isnan(value):
            axis.text(0, place, " –", va="center", color="#888888")
    axis.set_yticks(places, table.index)
    axis.tick_params(axis="y", length=0)
    axis.tick_params(axis="x", labelsize=7)
    axis.locator_params(axis="x", nbins=4)
