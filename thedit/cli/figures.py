"""`thedit figures`, `report`, `table` and `readme`: what a run shows, and its numbers for people."""

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[Path, typer.Option("--config", help="configuration of the run")]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command()(figures)
    app.command()(report)
    app.command()(table)
    app.command()(readme)


def figures(config: ConfigFile) -> None:
    """Draw every figure of a run: results/RUN/figures/."""
    from thedit.config import load
    from thedit.locks import reading
    from thedit.report.figures import draw

    typer.echo(draw.all_figures(reading(load(config))))


def readme(
    config: ConfigFile = Path("config/config.yaml"),
    file: Annotated[Path, typer.Option(help="text with the marks that the results go between")] = Path(
        "docs/quick-run.md"
    ),
) -> None:
    """Write the measured tables of a finished run into a page, and copy its animations beside it."""
    from thedit.config import load
    from thedit.report.readme import insert

    insert(load(config), file)


def report(config: ConfigFile) -> None:
    """Write the page of a run: results/RUN/report.html, one file."""
    from thedit.config import load
    from thedit.locks import reading
    from thedit.report.page import write_page

    typer.echo(write_page(reading(load(config))))


def table(
    config: ConfigFile = Path("config/config.yaml"),
    form: Annotated[str, typer.Option("--format", help="text, markdown, latex or csv")] = "text",
) -> None:
    """Print the tables of a run for people to read; the best of a column is marked."""
    from thedit import layout
    from thedit.config import load
    from thedit.errors import UserError
    from thedit.report import comparison, render

    settings = load(config)
    if form == "csv":
        measured = comparison.measured(settings)
        typer.echo(render.as_csv(measured, sorted(set(measured["method"]))), nl=False)
        return
    if form not in render.FORMATS:
        raise UserError(f"--format: '{form}' is none of text, markdown, latex, csv.")
    typer.echo(render.FORMATS[form](comparison.of_run(settings)))
    typer.echo(f"All variants with counts and provenance: {layout.run(settings) / 'metrics.parquet'}", err=True)
