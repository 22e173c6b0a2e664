"""`thedit reference`: what is told of the reference runs, from what is committed of them."""

import typer


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(reference)


def reference() -> None:
    """Make every table, figure and page of the reference runs again from the records in results/reference*/."""
    from thedit.report.reference import regenerate

    for path in regenerate():
        typer.echo(path)
