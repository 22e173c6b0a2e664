"""`thedit cost`: what each method of a run costs, measured on this machine."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(cost)


def cost(config: Annotated[Path, typer.Option("--config", help="configuration of the run")]) -> None:
    """Measure parameters, arithmetic, speed and memory of all methods: results/RUN/cost.parquet."""
    from thedit.config import load
    from thedit.evaluation.cost import measure

    table = measure(load(config))
    columns = ["method", "parameters", "drive_gflops", "frames_per_second", "busy", "peak_mib", "training_images"]
    typer.echo(table[columns].to_string(index=False, float_format="{:.4g}".format, na_rep="-"))
    if table["busy"].any():
        typer.echo("busy: repetitions were so far apart that something else was at work; measure again when it is not")
