"""`thedit config`: the configuration's schema and its commented defaults."""

import typer


def register(app: typer.Typer) -> None:
    """Add the command group to ``app``."""
    group = typer.Typer(no_args_is_help=True, help="The configuration: its schema and its defaults.")
    group.command()(schema)
    group.command()(defaults)
    app.add_typer(group, name="config")


def schema() -> None:
    """Print the JSON schema of the configuration (workflow/schemas/config.schema.json)."""
    from thedit import config, config_text

    typer.echo(config_text.schema(config.Config), nl=False)


def defaults() -> None:
    """Print every option with its default and its meaning (config/config.yaml)."""
    from thedit import config, config_text

    typer.echo(config_text.commented(config.Config()), nl=False)
