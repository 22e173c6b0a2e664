"""How charts look, and how they are written."""

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from thedit.files import atomic
from thedit.methods import registry

matplotlib.use("Agg")
matplotlib.rc("font", family="DejaVu Sans", size=9)
matplotlib.rc("axes", titlesize=9, edgecolor="#888888")
matplotlib.rc("axes.spines", top=False, right=False)
matplotlib.rc("xtick", color="#444444")
matplotlib.rc("ytick", color="#222222")
matplotlib.rc("legend", frameon=False)

PALETTE = {
    "model": ["#1f5fa8", "#143d6b"],
    "ablation": ["#7fb0de", "#a9cbe8", "#5b93c7", "#c6dcf0", "#3f7fb8"],
    "baseline": ["#d98c3f", "#7aa861", "#b3658f", "#c9b13c"],
    "bound": ["#b5b5b5", "#8d8d8d"],
}


def colours(methods: list[str]) -> dict[str, str]:
    """A colour for each method, by its kind."""
    seen: dict[str, int] = {}
    chosen = {}
    for method in methods:
        kind = registry.find(method).kind
        palette = PALETTE[kind]
        chosen[method] = palette[seen.get(kind, 0) % len(palette)]
        seen[kind] = seen.get(kind, 0) + 1
    return chosen


def save(path: Path, figure: Figure) -> None:
    """Write a chart as PNG, 200 dots an inch."""
    with atomic(path) as sibling:
        figure.savefig(sibling, dpi=200, bbox_inches="tight")
