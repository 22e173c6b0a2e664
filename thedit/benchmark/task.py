"""What the benchmark asks for: the pairs of a run's protocols, as they are told to a stranger and expected back.

A task is ``benchmark.json`` in the folder that `thedit.benchmark.pack.write` makes:

    format       1
    benchmark    name of the run; ``dataset`` of the data
    digest       changes with everything that is asked for and shown; a submission repeats it
    size         side S of every picture in pixels
    protocols    by name: ``description``, ``moves_camera``, and ``pairs``: by name, the number of frames
    code_version, config_hash
"""

import functools
import json
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import Field, PositiveInt

from thedit import layout, provenance
from thedit.config import Config, Section, digest, parse
from thedit.errors import UserError
from thedit.evaluation import protocols
from thedit.evaluation.predict import moves_camera
from thedit.metrics import tables
from thedit.metrics.measure import pixel_sha256
from thedit.shards.store import FrameStore

FORMAT = 1
FILE = "benchmark.json"


class Asked(Section):
    """One protocol: its pairs, by name, with the number of frames that each wants."""

    description: str = Field("", description="the rule in one sentence")
    moves_camera: bool = Field(False, description="some frames are seen from elsewhere than their driving frame")
    pairs: dict[str, PositiveInt] = Field(description="frames wanted of each pair")


class Task(Section):
    """All that is asked for."""

    format: int = Field(FORMAT, ge=FORMAT, le=FORMAT, description="version of this file's form")
    benchmark: str = Field(description="name of the run that asks")
    dataset: str = Field(description="data set whose test people are shown")
    digest: str = Field(description="changes with everything that is asked for")
    size: PositiveInt = Field(description="side of every picture in pixels")
    protocols: dict[str, Asked] = Field(description="what is asked for, by the protocol's name")
    code_version: str = Field("", description="version of thedit that wrote the task")
    config_hash: str = Field("", description="digest of the run's configuration")

    @property
    def frames(self) -> int:
        """How many pictures are asked for in all."""
        return sum(sum(asked.pairs.values()) for asked in self.protocols.values())


def of(config: Config, store: FrameStore) -> Task:
    """The task of a run whose protocols are written; `UserError` names the command that writes them."""
    seen = functools.cache(lambda row: pixel_sha256(store.picture(row)))
    asked: dict[str, Asked] = {}
    state: list[Any] = [store.size]
    for name in config.evaluation.protocols:
        rows = wanted(config, name)
        asked[name] = Asked(
            description=protocols.find(name).description,
            moves_camera=moves_camera(rows, store),
            pairs={str(pair): len(frames) for pair, frames in rows.groupby("pair", sort=True)},
        )
        views = [[round(float(number), 5) for number in label] for label in rows["camera"]]
        shown = [[seen(row) for row in rows[which]] for which in ("source_row", "driver_row")]
        state.append([name, rows[["pair", "frame", "source_id", "driver_id"]].to_numpy().tolist(), views, shown])
    return Task(
        benchmark=config.run,
        dataset=config.data.name,
        digest=digest(state),
        size=store.size,
        protocols=asked,
        code_version=provenance.code_version(),
        config_hash=digest(config),
    )


def wanted(config: Config, protocol: str) -> pd.DataFrame:
    """The rows of one protocol (schema `thedit.metrics.tables.PAIRS`)."""
    path = layout.pairs(config, protocol)
    if not path.is_file():
        raise UserError(f"{path}: is missing; make it with 'thedit pairs --protocol {protocol}'.")
    return tables.read(path, tables.PAIRS)


def read(folder: Path) -> Task:
    """The task in ``folder/benchmark.json``; `UserError` names the file, the key and the remedy."""
    path = folder / FILE if folder.is_dir() else folder
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); name the folder of 'thedit benchmark pack'.") from error
    return parse(values, Task, path)
