"""`thedit structure`: what a method has learned inside."""

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[Path, typer.Option("--config", help="configuration of the run")]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(structure)


def structure(
    config: ConfigFile,
    method: Annotated[str, typer.Option(help="name of a method's spec: one with tri-planes, or one that warps")],
) -> None:
    """Measure depth, dense correspondence and disentanglement on AnnyHeads: results/RUN/structure/METHOD.parquet."""
    from thedit.config import load
    from thedit.evaluation.structure import write_structure
    from thedit.locks import reading

    typer.echo(write_structure(reading(load(config)), method))
