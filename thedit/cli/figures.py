"""`thedit figures`: pictures, charts and animations of a run."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(figures)


def figures(config: Annotated[Path, typer.Option("--config", help="configuration of the run")]) -> None:
    """Draw every figure of a run: results/RUN/figures/."""
    from thedit.config import load
    from thedit.figures import run

    typer.echo(run.write(load(config)))
