"""The record of a run: all that its tables and charts follow from, small enough to be kept and given away.

frames.parquet     every value of every frame                      schema `tables.FRAMES`
distances.parquet  distances between sets, whose feature vectors are too large to keep      `tables.VALUES`
scale.parquet      similarity of one person's pictures and of two people's                  `tables.SCALE`
status.parquet     how many frames each method made of each protocol, or why not            `tables.STATUS`
training.parquet   the losses of training, thinned                                          `tables.TRAINING`
provenance.json    seed, configuration, code, packages, device, and for each trained method what its weights tell
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from thedit import layout, parquet, provenance
from thedit.config import Config, digest
from thedit.errors import UserError
from thedit.evaluation.score import measurer
from thedit.files import atomic, sha256
from thedit.methods import trained
from thedit.metrics import aggregate, tables
from thedit.metrics.scale import scale
from thedit.shards.store import FrameStore

POINTS = 500  # of a method's training that are kept


def write(config: Config) -> None:
    """Write the record of a run whose scores are all there."""
    folder, evaluation = layout.run(config), config.evaluation
    made = [(method, protocol) for method in config.methods for protocol in evaluation.protocols]
    files = [layout.scores(config, *one) for one in made]
    scores = pd.concat([tables.read(path, tables.SCORES) for path in files], ignore_index=True)
    predictions = [
        tables.read(layout.predictions(config, *one) / "predictions.parquet", tables.PREDICTIONS) for one in made
    ]
    record = {
        "frames": (aggregate.frames(scores), tables.FRAMES),
        "distances": (aggregate.distances(scores), tables.VALUES),
        "scale": (scale(FrameStore(layout.shards(config)), measurer(config)), tables.SCALE),
        "status": (_status(pd.concat(predictions)), tables.STATUS),
        "training": (_training(config), tables.TRAINING),
    }
    for name, (table, schema) in record.items():
        tables.write(table, schema, folder / f"{name}.parquet")
    with atomic(folder / "provenance.json") as path:
        path.write_text(json.dumps(_provenance(config), indent=2) + "\n")


def provenance_of(folder: Path) -> dict[str, Any]:
    """What `write` wrote to ``folder/provenance.json``; `UserError` if it is missing or damaged."""
    path = folder / "provenance.json"
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: cannot be read ({error}); finish the run, which ends with 'thedit aggregate'."
        ) from error


def _status(predictions: pd.DataFrame) -> pd.DataFrame:
    return predictions.groupby(["method", "protocol", "status", "reason"]).size().rename("frames").reset_index()


def _training(config: Config) -> pd.DataFrame:
    """Losses of the trained methods: means over at most `POINTS` stretches of the log, and ``images`` seen by then."""
    return pd.DataFrame(_stretches(config), columns=list(tables.TRAINING.columns))


def _stretches(config: Config) -> Iterator[dict[str, Any]]:
    for method in config.methods:
        path = layout.weights(config, method).with_name("log.parquet")
        if not path.is_file():  # the weights were made elsewhere
            continue
        log = parquet.read(path)
        stretch = np.arange(len(log)) * min(POINTS, len(log)) // len(log)
        images = log["images"].groupby(stretch).max()
        for loss in log.columns.drop(["step", "images"]):
            for number, value in log[loss].groupby(stretch).mean().items():
                yield {"method": method, "loss": loss, "images": images[number], "value": value}


def _provenance(config: Config) -> dict[str, Any]:
    weights = [layout.weights(config, method) for method in config.methods]
    return {
        "run": config.run,
        "seed": config.seed,
        "config_hash": digest(config),
        "code_version": provenance.code_version(),
        "device": provenance.device(),
        "packages": provenance.packages(),
        "weights": {path.parent.name: _facts(path) for path in weights if path.is_file()},
    }


def _facts(weights: Path) -> dict[str, str]:
    with trained.opened(weights) as file:
        return {"sha256": sha256(weights), "digest": trained.digest(weights), **(file.metadata() or {})}
