"""`thedit figures` and `thedit readme`: pictures, charts and animations of a run, and its numbers for the README."""

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[Path, typer.Option("--config", help="configuration of the run")]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(figures)
    app.command()(readme)


def figures(config: ConfigFile) -> None:
    """Draw every figure of a run: results/RUN/figures/."""
    from thedit.config import load
    from thedit.figures import run

    typer.echo(run.write(load(config)))


def readme(
    config: ConfigFile = Path("config/config.yaml"),
    file: Annotated[Path, typer.Option(help="text with the marks that the results go between")] = Path("README.md"),
) -> None:
    """Write the measured tables of a finished run into README.md, and copy its animations to docs/."""
    from thedit.config import load
    from thedit.figures.readme import insert

    insert(load(config), file)
