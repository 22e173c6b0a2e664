"""The tables that follow from the record of a run, the same bytes whenever and wherever they are made."""

import json

import pandas as pd

from thedit import layout
from thedit.config import Config
from thedit.evaluation import protocols
from thedit.metrics import aggregate, tables
from thedit.metrics.scale import on_scale
from thedit.metrics.views import views
from thedit.report.artefacts import provenance_of


def write(config: Config) -> None:
    """Write metrics.parquet, comparisons.parquet and views.parquet of a run from what `thedit.report.artefacts` wrote.

    Their provenance is the record's. Comparisons are with the first method of the configuration.
    """
    folder = layout.run(config)
    frames, distances, scale = (
        tables.read(folder / f"{name}.parquet", schema)
        for name, schema in (("frames", tables.FRAMES), ("distances", tables.VALUES), ("scale", tables.SCALE))
    )
    known = provenance_of(folder)
    stamp = {name: known[name] for name in ("seed", "config_hash", "code_version")}
    machine = {"packages": json.dumps(known["packages"]), "device": known["device"]}
    options = config.metrics.bootstrap, known["seed"]
    frames = on_scale(frames, scale)
    results = {
        "metrics": (aggregate.metrics(frames, distances, *options).assign(**stamp, **machine), tables.METRICS),
        "comparisons": (
            aggregate.comparisons(frames, config.methods[0], *options).assign(**stamp),
            tables.COMPARISONS,
        ),
        "views": (views(frames, _moved(config), *options).assign(**stamp), tables.VIEWS),
    }
    for name, (table, schema) in results.items():
        tables.write(table, schema, folder / f"{name}.parquet")


def _moved(config: Config) -> pd.DataFrame:
    """Where the camera of each frame of the multi-view protocols stood."""
    named = [name for name in config.evaluation.protocols if protocols.find(name).kind == "multiview"]
    read = [tables.read(layout.pairs(config, name), tables.PAIRS) for name in named]
    columns = ["protocol", "pair", "frame", "yaw", "pitch"]
    return pd.concat([pd.DataFrame(columns=columns), *read])[columns]
