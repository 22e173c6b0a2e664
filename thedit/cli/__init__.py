"""The command line: one command a stage of the pipeline."""

import importlib
import pkgutil
import sys
from typing import Annotated

import typer

from thedit import provenance
from thedit.errors import sentence
from thedit.processes import follow

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
PartOption = Annotated[
    str, typer.Option("--part", metavar="K-of-N", help="do this part of the work, and leave the rest to other jobs")
]


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(provenance.code_version())
        raise typer.Exit


@app.callback()
def thedit(
    version: Annotated[bool, typer.Option("--version", callback=_say_version, is_eager=True)] = False,
) -> None:
    """One-shot multi-view face reenactment, and the benchmark around it."""


def main() -> None:
    """Entry point: a user's mistake ends in one sentence and status 2, never in a traceback."""
    try:
        follow()
        load_commands()
        app()
    except Exception as error:
        if (told := sentence(error)) is None:
            raise
        print(f"thedit: {told}", file=sys.stderr)
        sys.exit(2)


def load_commands() -> None:
    """Let every module of this folder add its commands to `app`."""
    for stage in pkgutil.iter_modules(__path__):
        importlib.import_module(f"thedit.cli.{stage.name}").register(app)
