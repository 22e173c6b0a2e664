"""What was scored of submissions to a run: their rows, who sent them, and what exactly they answered.

``results/<run>/submissions.parquet`` has the rows (schema `thedit.metrics.tables.METRICS`), ``submissions.json`` by
name what the submission says of itself, the ``sha256`` of its file, and of each protocol's table of pairs.
"""

import functools
import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from thedit import layout
from thedit.benchmark.submission import About
from thedit.config import Config
from thedit.errors import UserError
from thedit.files import atomic, sha256
from thedit.methods import registry
from thedit.metrics import tables


def add(config: Config, rows: pd.DataFrame, about: About, digest: str) -> None:
    """Put the ``rows`` of a submission, a file whose sha256 is ``digest``, in the place of an earlier one of its name.

    Rows count by what is said of them, which is taken away first and comes last.
    """
    earlier, known = _rows(config), _facts(config)
    known.pop(about.name, None)
    _write_facts(config, known)
    others = earlier[earlier["method"] != about.name]
    whole = pd.concat([others, rows], ignore_index=True) if len(others) else rows
    tables.write(whole.sort_values(tables.VALUE_KEY, ignore_index=True), tables.METRICS, _table(config))
    answered = {name: sha256(layout.pairs(config, name)) for name in sorted(rows["protocol"].unique())}
    _write_facts(config, {**known, about.name: {**about.model_dump(), "sha256": digest, "pairs": answered}})


def rows(config: Config) -> pd.DataFrame:
    """The rows of all submissions that answer the pairs which the run has now, under a name that is theirs alone.

    What is left out is said on standard error.
    """
    found, known = _rows(config), _facts(config)
    paths = {name: layout.pairs(config, name) for name in found["protocol"].unique()}
    pairs = {name: sha256(path) for name, path in paths.items() if path.is_file()}
    kept = []
    for (method, protocol), group in found.groupby(["method", "protocol"], sort=True):
        answered = known.get(method, {}).get("pairs", {}).get(protocol)
        fault = taken(config, method)
        if fault is None and (answered is None or answered != pairs.get(protocol)):
            fault = f"was not scored on the pairs that protocol '{protocol}' has now; score its file again"
        if fault is None:
            kept.append(group)
        else:
            _say(f"{_table(config)}: '{method}' {fault}. Its rows are left out.")
    return pd.concat(kept).sort_index() if kept else found.iloc[:0]


def taken(config: Config, name: str) -> str | None:
    """Why a submission cannot have a name, if it cannot."""
    if name in config.methods:
        return f"is a method of run '{config.run}'; choose another name"
    return "is an installed method; choose another name" if name in registry.names() else None


def _rows(config: Config) -> pd.DataFrame:
    path = _table(config)
    return tables.read(path, tables.METRICS) if path.is_file() else pd.DataFrame(columns=list(tables.METRICS.columns))


def _facts(config: Config) -> dict[str, Any]:
    path = _table(config).with_suffix(".json")
    if not path.is_file():
        return {}
    try:
        return {str(name): dict(said) for name, said in json.loads(path.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); delete it and score the submissions again.") from error


def _write_facts(config: Config, known: dict[str, Any]) -> None:
    with atomic(_table(config).with_suffix(".json")) as sibling:
        sibling.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")


def _table(config: Config) -> Path:
    return layout.run(config) / "submissions.parquet"


@functools.cache
def _say(sentence: str) -> None:
    """Once, however often the rows are asked for."""
    print(sentence, file=sys.stderr)
