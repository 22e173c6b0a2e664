"""`thedit score` and `aggregate`: from predictions to numbers."""

from pathlib import Path
from typing import Annotated

import typer

from thedit.cli import PartOption

ConfigFile = Annotated[Path, typer.Option("--config", help="configuration of the run")]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command()(score)
    app.command()(aggregate)


def score(
    config: ConfigFile,
    method: Annotated[str, typer.Option(help="name of the method's spec")],
    protocol: Annotated[str, typer.Option(help="name of a file in config/protocols/")],
    part: PartOption = "1-of-1",
) -> None:
    """Score a method's frames: results/RUN/scores/METHOD-PROTOCOL.parquet."""
    from thedit import layout
    from thedit.config import load
    from thedit.evaluation.score import score
    from thedit.locks import reading
    from thedit.metrics.tables import FEATURES
    from thedit.parts import parse

    settings, share = reading(load(config)), parse(part)
    rows = score(settings, method, protocol, share)
    values = rows[rows["metric"] != FEATURES]
    failures = values[~values["valid"].astype(bool)]  # not a mask of its own accord where there are no rows
    frames, failed = (len(some[["pair", "frame"]].drop_duplicates()) for some in (values, failures))
    path = layout.scores(settings, method, protocol) if share.whole else f"{method} {protocol} {share}"
    typer.echo(f"{path}: {frames} frames, {failed} of them with a value that could not be measured")


def aggregate(config: ConfigFile) -> None:
    """Turn all scores into the record and the tables of a run: frames.parquet, metrics.parquet and the like."""
    from thedit import layout
    from thedit.config import load
    from thedit.locks import reading
    from thedit.report import artefacts, derive

    settings = reading(load(config))
    artefacts.write(settings)
    derive.write(settings)
    typer.echo(f"{layout.run(settings)}: frames, metrics, comparisons, views")
