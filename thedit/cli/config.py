"""`thedit config`: the configuration's schema, its commented defaults, and the resolved file of a run."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command group to ``app``."""
    group = typer.Typer(no_args_is_help=True, help="The configuration: its schema, its defaults, a run's own.")
    group.command()(schema)
    group.command()(defaults)
    group.command()(resolve)
    app.add_typer(group, name="config")


def schema() -> None:
    """Print the JSON schema of the configuration (workflow/schemas/config.schema.json)."""
    from thedit import config, config_text

    typer.echo(config_text.schema(config.Config), nl=False)


def defaults() -> None:
    """Print every option with its default and its meaning (config/config.yaml)."""
    from thedit import config, config_text

    typer.echo(config_text.commented(config.Config()), nl=False)


def resolve(
    values: Annotated[str, typer.Option(help="a configuration as JSON; what it leaves out has its default")],
    out: Annotated[Path, typer.Option(help="YAML file to write, complete and commented")],
) -> None:
    """Write the complete configuration of a run."""
    import json

    from thedit import config, config_text
    from thedit.files import atomic

    resolved = config.parse(json.loads(values), config.Config, "--values")
    with atomic(out) as sibling:
        sibling.write_text(config_text.commented(resolved))
