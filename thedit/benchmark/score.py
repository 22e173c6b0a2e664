"""Score a submission where the data set is, and add it to the table of its run."""

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from thedit import layout, locks, provenance
from thedit.benchmark import record
from thedit.benchmark import task as tasks
from thedit.benchmark.submission import METHOD, Submission
from thedit.config import Config, digest
from thedit.errors import UserError
from thedit.evaluation.predict import COLUMNS
from thedit.evaluation.score import measure, measurer
from thedit.files import atomic, sha256
from thedit.metrics import aggregate
from thedit.metrics.scale import on_scale, scale
from thedit.shards.store import FrameStore


def score(config: Config, path: Path) -> pd.DataFrame:
    """Rows (schema `thedit.metrics.tables.METRICS`) of the submission ``path``, also added to the run's table.

    They replace those of an earlier submission of the same name (`thedit.benchmark.record`). The frames lie in
    ``results/<run>/submissions/<name>/``. What is missing or unusable counts as failed and is said on standard error.
    Raises `UserError` for a submission that does not answer this run's task, or whose name is a method's.
    """
    store = FrameStore(layout.shards(config))
    with locks.held(layout.run(config)), Submission(path, tasks.of(config, store)) as submission:
        about, digest_of_file = submission.about, sha256(path)
        if fault := record.taken(config, about.name):
            raise UserError(f"{path}: {METHOD}: name: '{about.name}' {fault}.")
        asked = dict.fromkeys(place.protocol for place in submission.asked())
        if not asked:
            raise UserError(f"{path}: {METHOD}: camera_control: false answers no protocol of run '{config.run}'.")
        for problem in submission.problems():
            print(f"{path}: {problem}", file=sys.stderr)
        folder = layout.run(config) / "submissions" / about.name
        _unpack(submission, folder)
        scores = [measure(config, about.name, digest_of_file[:12], name, folder / name) for name in asked]
        rows = _rows(config, store, pd.concat(scores, ignore_index=True))
        record.add(config, rows, about, digest_of_file)
    return rows


def _unpack(submission: Submission, folder: Path) -> None:
    """The pictures as a method's predictions: ``folder/<protocol>/<pair>/<frame:04d>.png`` and their table."""
    made: dict[str, list[dict[str, Any]]] = {}
    for place, picture, reason in submission.pictures():
        path = folder / place.protocol / place.pair / f"{place.frame:04d}.png"
        known = ""
        if picture is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic(path) as sibling:
                Image.fromarray(picture).save(sibling, "png")
            known = sha256(path)
        state = {"status": "failed" if reason else "ok", "reason": reason, "seconds": float("nan"), "sha256": known}
        row = {"method": submission.about.name, "protocol": place.protocol, "pair": place.pair, "frame": place.frame}
        made.setdefault(place.protocol, []).append(row | state)
    for protocol, rows in made.items():
        (folder / protocol).mkdir(parents=True, exist_ok=True)
        with atomic(folder / protocol / "predictions.parquet") as sibling:
            pd.DataFrame(rows)[COLUMNS].to_parquet(sibling, index=False)


def _rows(config: Config, store: FrameStore, scores: pd.DataFrame) -> pd.DataFrame:
    """Means with intervals, on the scale of the data set, with what they were made with."""
    frames = on_scale(aggregate.frames(scores), scale(store, measurer(config)))
    rows = aggregate.metrics(frames, aggregate.distances(scores), config.metrics.bootstrap, config.seed)
    return rows.assign(
        seed=config.seed,
        config_hash=digest(config),
        code_version=provenance.code_version(),
        packages=json.dumps(provenance.packages()),
        device=provenance.device(),
    )
