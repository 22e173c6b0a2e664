"""`thedit figures`, `table` and `readme`: pictures, charts and animations of a run, and its numbers for people."""

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[Path, typer.Option("--config", help="configuration of the run")]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command()(figures)
    app.command()(table)
    app.command()(readme)


def figures(config: ConfigFile) -> None:
    """Draw every figure of a run: results/RUN/figures/."""
    from thedit.config import load
    from thedit.figures import run
    from thedit.locks import reading

    typer.echo(run.write(reading(load(config))))


def readme(
    config: ConfigFile = Path("config/config.yaml"),
    file: Annotated[Path, typer.Option(help="text with the marks that the results go between")] = Path("README.md"),
) -> None:
    """Write the measured tables of a finished run into README.md, and copy its animations to docs/."""
    from thedit.config import load
    from thedit.figures.readme import insert

    insert(load(config), file)


def table(config: ConfigFile = Path("config/config.yaml")) -> None:
    """Print results/RUN/metrics.parquet for people to read."""
    from thedit import layout
    from thedit.config import load
    from thedit.figures.table import outside
    from thedit.metrics import tables
    from thedit.metrics.text import readable

    settings = load(config)
    path = layout.run(settings) / "metrics.parquet"
    typer.echo(readable(tables.read(path, tables.METRICS), outside(settings)))
    typer.echo(f"All variants with their intervals, counts and provenance: {path}")
