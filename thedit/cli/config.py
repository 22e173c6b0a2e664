"""`thedit config`: the configuration's schema and its commented defaults."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command group to ``app``."""
    group = typer.Typer(no_args_is_help=True, help="The configuration: its schema and its defaults.")
    group.command()(schema)
    group.command()(defaults)
    group.command()(check)
    app.add_typer(group, name="config")


def schema() -> None:
    """Print the JSON schema of the configuration (workflow/schemas/config.schema.json)."""
    from thedit import config, config_text

    typer.echo(config_text.schema(config.Config), nl=False)


def defaults() -> None:
    """Print every option with its default and its meaning (config/config.yaml)."""
    from thedit import config, config_text

    typer.echo(config_text.commented(config.Config()), nl=False)


def check(config: Annotated[Path, typer.Argument(help="configuration of a run")]) -> None:
    """Say what a run would lack, before its first job: a mistake, people to pair, networks, programs."""
    from thedit.config import load
    from thedit.evaluation import early

    early.check(load(config))
