"""`thedit structure`: what a tri-plane model has learned inside."""

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[Path, typer.Option("--config", help="configuration of the run")]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(structure)


def structure(
    config: ConfigFile, method: Annotated[str, typer.Option(help="name of a tri-plane method's spec")]
) -> None:
    """Measure depth, dense correspondence and disentanglement on AnnyHeads: results/RUN/structure/METHOD.parquet."""
    from thedit.config import load
    from thedit.evaluation.structure import write
    from thedit.locks import reading

    typer.echo(write(reading(load(config)), method))
