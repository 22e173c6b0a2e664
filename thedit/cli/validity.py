"""`thedit validity`: how well the metrics track the truth."""

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[Path, typer.Option("--config", help="configuration of the run")]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(validity)


def validity(config: ConfigFile) -> None:
    """Measure how well the metrics track AnnyHeads' truth: results/RUN/validity.parquet and figures/validity.png."""
    from thedit import layout
    from thedit.config import load
    from thedit.evaluation.score import validate
    from thedit.locks import reading
    from thedit.report.figures import style
    from thedit.report.figures import validity as chart

    settings = reading(load(config))
    folder = layout.run(settings)
    rows = validate(settings)
    style.save(folder / "figures" / "validity.png", chart.draw(rows))
    typer.echo(f"{folder}/validity.parquet: {len(rows)} rows about {rows['n_people'].max()} people")
