"""Pages whose numbers are those of tables: a template names rows, and the page is the template with their values.

``{{reference/metrics cross planedict csim source-rescaled}}`` is the value of that row of results/reference/
metrics.parquet with its interval and its failures. After the run and the table come the keys of the row (`TABLES`) and,
if wanted, a column. ``{{reference/provenance weights planedict images}}`` is an entry of provenance.json;
``{{data/pretrained/planedict-dense-small.safetensors sha256}}`` a fact of a file of weights. Words with spaces are
quoted.
"""

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from thedit import parquet
from thedit.errors import UserError
from thedit.files import atomic, sha256
from thedit.methods.trained import opened
from thedit.report.artefacts import provenance_of

PAGES = (Path("docs/findings.md"), Path("data/pretrained/README.md"))
PLACE = re.compile(r"\{\{(.+?)\}\}")
DIGEST = 12  # characters of a configuration's digest, which may be all digits
ROW = ["protocol", "method", "metric", "variant"]
TABLES = {  # the keys of a row, and the column that is shown
    "metrics": (ROW, "value"),
    "comparisons": (ROW, "difference"),
    "views": ([*ROW, "yaw"], "value"),
    "seeds": (ROW, "mean"),
    "scale": (["group"], "value"),
    "structure": (["method", "metric", "variant"], "value"),
    "cost": (["method"], "frames_per_second"),
}
ENDS = {
    "value": ("ci_low", "ci_high"),
    "difference": ("ci_low", "ci_high"),
    "change": ("change_low", "change_high"),
    "mean": ("lowest", "highest"),
}


def template(page: Path) -> Path:
    """Where the template of a page lies."""
    return page.with_suffix(".template.md")


def write(page: Path) -> Path:
    """Write ``page`` from its template and return its path."""
    text = fill(template(page))
    with atomic(page) as sibling:
        sibling.write_text(text)
    return page


def fill(path: Path) -> str:
    """The template ``path`` with its values; `UserError` names the first place that has none, and why."""

    def value(place: re.Match[str]) -> str:
        try:
            return _value(shlex.split(place[1]))
        except (KeyError, ValueError, OSError, UserError) as error:
            raise UserError(f"{path}: {place[0]}: {' '.join(str(error).split())}") from error

    return PLACE.sub(value, path.read_text())


def _value(words: list[str]) -> str:
    source, *keys = words
    if source.endswith(".safetensors"):
        return _fact(Path(source), *keys)
    run, _, name = source.partition("/")
    folder = Path("results") / run
    if name == "provenance":
        entry: Any = provenance_of(folder)
        for key in keys:
            entry = entry[key]
        return number(entry)
    if name not in TABLES:
        raise UserError(f"there is no table '{name}'; there are {', '.join([*TABLES, 'provenance'])}.")
    return _cell(_table(folder, name), name, keys)


def _table(folder: Path, name: str) -> pd.DataFrame:
    if name == "structure":
        return pd.concat([parquet.read(path) for path in sorted(folder.glob("structure/*.parquet"))])
    return parquet.read(folder / f"{name}.parquet")


def _cell(table: pd.DataFrame, name: str, words: list[str]) -> str:
    keys, column = TABLES[name]
    if len(words) not in (len(keys), len(keys) + 1):
        raise UserError(f"a row of '{name}' is named by {', '.join(keys)}, and a column may follow.")
    column = words[len(keys)] if len(words) > len(keys) else column
    for key, word in zip(keys, words):
        table = table[table[key].astype(str) == word]
    if len(table) != 1:
        raise UserError(f"{len(table)} rows of '{name}' have these {', '.join(keys)}; one is needed.")
    row = table.iloc[0]
    low, high = (row[end] for end in ENDS[column]) if column in ENDS else (np.nan, np.nan)
    inside = [f"{number(low)} to {number(high)}"] if np.isfinite([low, high]).all() else []
    if row.get("n_failed", 0) and column == "value":
        inside.append(f"{row['n_failed']} of {row['n'] + row['n_failed']} failed")
    return number(row[column]) + (f" ({'; '.join(inside)})" if inside else "")


def _fact(weights: Path, name: str) -> str:
    if name == "sha256":
        return sha256(weights)
    if name == "megabytes":
        return f"{weights.stat().st_size / 1e6:.1f}"
    with opened(weights) as file:
        return number(file.metadata()[name])


def number(value: Any) -> str:
    """A value for people: three digits, or all of them before the point; text as it is, but for counts."""
    if isinstance(value, str):
        return f"{int(value):,}" if value.isdecimal() and len(value) < DIGEST else value
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    if not isinstance(value, float | np.floating):
        raise UserError(f"{value!r} is no single value.")
    if not np.isfinite(value):
        return "none" if np.isnan(value) else "∞"
    return f"{value:,.0f}" if abs(float(value)) >= 1000 else f"{value:.3g}"
