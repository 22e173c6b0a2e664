"""The comparison of a run as tables for people; their numbers are those of its Parquet files.

Methods are the rows: the model first, then its ablations, baselines, results sent in from elsewhere, and bounds.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import pandas as pd

from thedit import layout, parquet
from thedit.benchmark import record
from thedit.config import Config
from thedit.errors import UserError
from thedit.methods import registry
from thedit.metrics import tables
from thedit.metrics.questions import QUESTIONS, SUMMARY, Cell, Column, Table, number, questions

KINDS = ("model", "ablation", "baseline", "bound")  # the order of rows
GLANCE = MappingProxyType({"at a glance": SUMMARY})
GEOMETRY = {  # of thedit.evaluation.structure
    ("depth-mm", "model"): "depth error, mm ↓",
    ("depth-mm", "flat"): "a flat head's, mm",
    ("correspondence-mm", "model"): "correspondence error, mm ↓",
    ("correspondence-found", "model"): "share found ↑",
}
COST = {  # of thedit.evaluation.cost: heading, unit, digits
    "parameters": ("million parameters", 1e6, "{:.1f}"),
    "encode_gflops": ("GFLOP a source", 1, "{:.3g}"),
    "drive_gflops": ("GFLOP a frame", 1, "{:.3g}"),
    "frames_per_second": ("frames a second", 1, "{:.3g}"),
    "peak_mib": ("peak MiB", 1, "{:.0f}"),
    "training_hours": ("training hours", 1, "{:.2g}"),
}


def of_run(config: Config, asked: Mapping[str, Iterable[Column]] = MappingProxyType(QUESTIONS)) -> list[Table]:
    """Every table of a run: of each protocol one a question, then geometry, if it was measured, and cost."""
    metrics = measured(config)
    compared = [
        table
        for protocol, methods in outside(config).items()
        for table in questions(protocol, metrics[metrics["protocol"] == protocol], methods, bounds(methods), asked)
    ]
    return [*compared, *geometry(config), *costs(config)]


def measured(config: Config) -> pd.DataFrame:
    """Rows of schema `tables.METRICS`: the run's methods and the submissions that were scored for it."""
    path = layout.run(config) / "metrics.parquet"
    if not path.is_file():
        raise UserError(f"{path}: is missing; make it with 'thedit aggregate'.")
    own, sent = tables.read(path, tables.METRICS), record.rows(config)
    return pd.concat([own, sent], ignore_index=True) if len(sent) else own


def outside(config: Config) -> dict[str, dict[str, str]]:
    """For each protocol of a run the reason why it does not apply to a method, or nothing, by method in `KINDS`."""
    status = tables.read(layout.run(config) / "status.parquet", tables.STATUS).set_index(["protocol", "method"])
    reasons = status.loc[status["status"] == "not applicable", "reason"].to_dict()
    methods = ordered([*config.methods, *dict.fromkeys(measured(config)["method"])])
    return {
        protocol: {method: reasons.get((protocol, method), "") for method in methods}
        for protocol in config.evaluation.protocols
    }


def ordered(methods: Iterable[str]) -> list[str]:
    """Methods by kind, each once, otherwise as they come; what no spec names was sent in."""
    return sorted(dict.fromkeys(methods), key=lambda name: KINDS.index(kind(name)))


def kind(method: str) -> str:
    """The kind of a method's spec; ``baseline`` for what was sent in."""
    return registry.find(method).kind if method in registry.names() else "baseline"


def bounds(methods: Iterable[str]) -> list[str]:
    """Those that are trivial bounds, whose values are no achievement."""
    return [method for method in methods if kind(method) == "bound"]


def geometry(config: Config) -> list[Table]:
    """What `thedit.evaluation.structure` measured inside the run's tri-plane methods."""
    paths = sorted((layout.run(config) / "structure").glob("*.parquet"))
    if not paths:
        return []
    found = pd.concat([tables.read(path, tables.STRUCTURE) for path in paths]).set_index(["metric", "variant"])
    rows = []
    for method in ordered(path.stem for path in paths):
        own = found[found["method"] == method]
        rows.append([Cell(method), *(_structure(own, key) for key in GEOMETRY)])
    return [Table("Is the geometry right?", ["method", *GEOMETRY.values()], rows)]


def costs(config: Config) -> list[Table]:
    """What each method of a run costs; nothing where it was not measured."""
    path = layout.run(config) / "cost.parquet"
    if not path.is_file():
        return []
    rows = []
    for row in parquet.read(path).itertuples():
        values = [(getattr(row, name), unit, form) for name, (_, unit, form) in COST.items()]
        cells = [Cell("–" if pd.isna(value) else form.format(value / unit)) for value, unit, form in values]
        rows.append([Cell(str(row.method), row.reason if isinstance(row.reason, str) else ""), *cells])
    return [Table("What does it cost?", ["method", *(heading for heading, *_ in COST.values())], rows)]


def _structure(rows: pd.DataFrame, key: tuple[str, str]) -> Cell:
    if key not in rows.index:
        return Cell("–")
    row: Any = rows.loc[[key]].iloc[0]
    return Cell(number(row["value"]), f"{row['ci_low']:.3g}…{row['ci_high']:.3g}")
