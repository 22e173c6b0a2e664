"""What a page shows of a run: animations, the comparison, what the methods cost, how long each stage took.

The text between two marks is replaced, so that no number is ever typed by hand.
"""

import re
import shutil
from pathlib import Path

import pandas as pd

from thedit import layout
from thedit.config import Config
from thedit.errors import UserError
from thedit.files import atomic
from thedit.metrics import tables
from thedit.report import comparison
from thedit.report.render import as_markdown

PICTURES = ("cross_identity.webp", "multiview.webp")


def insert(config: Config, path: Path, logs: Path = Path("logs")) -> None:
    """Put the results of a run between the marks "results" of ``path``; copy `PICTURES` beside it.

    Raises `UserError` when the marks are not there, or the run is not finished.
    """
    put(path, "results", "thedit readme", results(config, logs))
    for name in PICTURES:
        with atomic(path.parent / name) as sibling:
            shutil.copyfile(layout.run(config) / "figures" / name, sibling)


def put(path: Path, name: str, command: str, text: str) -> None:
    """Replace what stands between the marks ``name`` in a Markdown file; `UserError` if they are not there."""
    page = path.read_text()
    begin, end = marks(name, command)
    if page.count(begin) != 1 or page.count(end) != 1:
        raise UserError(f"{path}: needs the lines '{begin}' and '{end}', once each.")
    before, rest = page.split(begin)
    with atomic(path) as sibling:
        sibling.write_text(f"{before}{begin}\n\n{text}\n\n{end}{rest.split(end)[1]}")


def marks(name: str, command: str) -> tuple[str, str]:
    """The lines between which ``command`` writes."""
    return f"<!-- {name}: begin, written by: {command} -->", f"<!-- {name}: end -->"


def results(config: Config, logs: Path) -> str:
    """The tables of a run that matter as Markdown, with the machine and the code that made them."""
    path = layout.run(config) / "metrics.parquet"
    if not path.is_file():
        raise UserError(f"{path}: is missing; finish the run first with 'snakemake --cores all'.")
    made = tables.read(path, tables.METRICS).iloc[0]
    machine = f"{made['device']}, {_memory():.0f} GiB of memory"
    parts = [
        f"Run `{config.run}`: code {made['code_version']}, configuration {made['config_hash']}, seed {made['seed']}, "
        f"measured on {machine}.",
        as_markdown(comparison.of_run(config, comparison.GLANCE)),
        "Every table of the run: `thedit table`.",
        "**stages** (seconds: sum over a stage's jobs; memory: the largest resident set of any of them)",
        stages(logs, [config.run, config.data.name, "heads"]),
        *(f"![{Path(name).stem.replace('_', ' ')}]({name})" for name in PICTURES),
    ]
    return "\n\n".join(parts)


def stages(logs: Path, names: list[str]) -> str:
    """A row a rule from the benchmark files of the run, data set or assets called ``names``."""
    rows = []
    for folder in sorted(logs.iterdir() if logs.is_dir() else []):
        files = [file for file in folder.glob("*.benchmark.tsv") if _belongs(file, names)]
        if files:
            jobs = pd.concat([pd.read_csv(file, sep="\t", na_values="-") for file in files])
            first = min(file.stat().st_mtime for file in files)
            rows.append((first, folder.name, len(files), jobs["s"].sum(), jobs["max_rss"].max()))
    lines = ["| stage | jobs | seconds | peak memory, MiB |", "| --- | --: | --: | --: |"]
    return "\n".join(lines + [f"| {name} | {n} | {time:.0f} | {rss:.0f} |" for _, name, n, time, rss in sorted(rows)])


def _belongs(file: Path, names: list[str]) -> bool:
    stem = file.name.removesuffix(".benchmark.tsv")
    return any(re.fullmatch(rf"{re.escape(name)}(-.*)?", stem) for name in names)


def _memory() -> float:
    """Memory of this machine in GiB."""
    found = re.search(r"MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    return int(found[1]) / 2**20 if found else float("nan")
