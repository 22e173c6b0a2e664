"""`thedit train`: from shards to weights."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(train)


def train(
    config: Annotated[Path, typer.Option("--config", help="configuration of the run")],
    method: Annotated[str, typer.Option(help="name of the method's spec")],
) -> None:
    """Train a method, or go on where an interrupted training stopped: results/RUN/methods/METHOD/.

    On several GPUs: torchrun --nproc-per-node 4 --no-python thedit train --config FILE --method NAME
    """
    from thedit.config import load
    from thedit.training.loop import train

    settings = load(config)
    shards = Path("data", settings.data.name, "shards")
    train(settings, method, shards, Path("results", settings.run, "methods", method))
