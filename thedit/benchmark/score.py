"""Score a submission where the data set is, and add it to the table of its run."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from thedit import layout, provenance
from thedit.benchmark import task as tasks
from thedit.benchmark.submission import About, Submission
from thedit.config import Config, digest
from thedit.errors import UserError
from thedit.evaluation.predict import COLUMNS
from thedit.evaluation.score import measure, measurer
from thedit.files import atomic, sha256
from thedit.metrics import aggregate, tables
from thedit.metrics.scale import on_scale, scale
from thedit.shards.store import FrameStore


def score(config: Config, path: Path) -> pd.DataFrame:
    """Rows (schema `thedit.metrics.tables.METRICS`) of the submission ``path``, also added to the run's table.

    They replace those of an earlier submission of the same name in ``results/<run>/submissions.parquet``; who sent
    what, with the sha256 of the file, is in ``submissions.json`` beside it. The frames lie in
    ``results/<run>/submissions/<name>/``. Raises `UserError` for a submission that does not answer this run's task, or
    whose name is a method's of the run.
    """
    store = FrameStore(layout.shards(config))
    with Submission(path, tasks.of(config, store)) as submission:
        about = submission.about
        if about.name in config.methods:
            raise UserError(f"{path}: name: '{about.name}' is a method of run '{config.run}'; choose another name.")
        folder = layout.run(config) / "submissions" / about.name
        _unpack(submission, folder)
    asked = dict.fromkeys(place.protocol for place in submission.asked())
    version = sha256(path)[:12]
    scores = pd.concat([measure(config, about.name, version, name, folder / name) for name in asked], ignore_index=True)
    rows = _rows(config, store, scores)
    _add(layout.run(config), rows, about, sha256(path))
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


def _add(run: Path, rows: pd.DataFrame, about: About, digest_of_file: str) -> None:
    path, facts = run / "submissions.parquet", run / "submissions.json"
    if path.is_file():
        earlier = tables.read(path, tables.METRICS)
        rows = pd.concat([earlier[earlier["method"] != about.name], rows], ignore_index=True)
    known = json.loads(facts.read_text()) if facts.is_file() else {}
    known[about.name] = {**about.model_dump(), "sha256": digest_of_file}
    tables.write(rows.sort_values(tables.VALUE_KEY, ignore_index=True), tables.METRICS, path)
    with atomic(facts) as sibling:
        sibling.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")
