"""How well the metrics track the truth, drawn from the table of `thedit.metrics.validity`."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

POSE, AUC, RANK = 2.5, 0.98, 0.8  # the goals: median degrees, area under the curve, Spearman's correlation
BINS = ("yaw 0 to 15", "yaw 15 to 30", "yaw 30 to 45", "yaw 45 to 60", "yaw 60 to 90")
BLUE, ORANGE, GREY = "#1f5fa8", "#d98c3f", "#888888"


def draw(table: pd.DataFrame) -> Figure:
    """Three panels of the rows of ``table`` (see `thedit.metrics.tables.VALIDITY`): pose, identity, expression."""
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    pose, identity, expression = figure.subplots(1, 3, width_ratios=(1, 1, 1.2))
    absolute = table[(table["metric"] == "pose") & (table["variant"] == "geodesic-degrees")]
    _by_yaw(pose, absolute, {"median": BLUE, "p95": GREY})
    pose.axhline(POSE, color=BLUE, linestyle="--", linewidth=0.8)
    pose.set(title="APD: error of the fitted pose", ylabel="degrees", ylim=(0, None))
    csim = table[table["metric"] == "csim"]
    _by_yaw(identity, csim, {"auc": BLUE, "tar at far 1 %": ORANGE})
    identity.axhline(AUC, color=BLUE, linestyle="--", linewidth=0.8)
    identity.set(title="CSIM: one person or two?", ylim=(0, 1.02))
    _variants(expression, table[(table["metric"] == "aed") & (table["statistic"] == "spearman")])
    expression.axvline(RANK, color=BLUE, linestyle="--", linewidth=0.8)
    expression.set(title="AED: rank correlation")
    return figure


def _by_yaw(axis: Axes, table: pd.DataFrame, colours: dict[str, str]) -> None:
    """A line a statistic over the bins of yaw, with its interval."""
    for statistic, colour in colours.items():
        rows = table[table["statistic"] == statistic].set_index("group").reindex(BINS).dropna(subset="value")
        places = [BINS.index(group) for group in rows.index]
        axis.fill_between(places, rows["ci_low"], rows["ci_high"], color=colour, alpha=0.15, linewidth=0)
        axis.plot(places, rows["value"], color=colour, marker="o", markersize=4, label=statistic)
    axis.set_xticks(range(len(BINS)), [name.removeprefix("yaw ").replace(" to ", "–") for name in BINS])
    axis.tick_params(axis="x", labelsize=7)
    axis.set_xlabel("yaw, degrees")
    axis.set_xlim(-0.3, len(BINS) - 0.7)
    axis.legend(fontsize=7, loc="lower right")


def _variants(axis: Axes, table: pd.DataFrame) -> None:
    """A pair of bars a variant and network: pairs of frames of one person, of two people."""
    names = list(dict.fromkeys(zip(table["variant"], table["backend"])))
    for number, (group, colour) in enumerate({"one person": BLUE, "two people": ORANGE}.items()):
        rows = table[table["group"] == group].set_index(["variant", "backend"]).reindex(names)
        places = [place + 0.2 - 0.4 * number for place in range(len(names))]
        error = [rows["value"] - rows["ci_low"], rows["ci_high"] - rows["value"]]
        style = {"ecolor": "#333333", "elinewidth": 0.8}
        axis.barh(places, rows["value"], height=0.36, color=colour, label=group, xerr=error, error_kw=style)
    several = table["backend"].nunique() > 1
    axis.set_yticks(range(len(names)), [f"{variant} ({backend})" if several else variant for variant, backend in names])
    axis.tick_params(axis="y", length=0, labelsize=7)
    axis.set_xlim(0, 1)
    axis.invert_yaxis()
    axis.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.4, -0.08), ncols=2)
