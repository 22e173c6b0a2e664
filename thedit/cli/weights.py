"""``thedit weights``: the optional network weights, what is there and what is missing."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands ``weights list``, ``weights check`` and ``weights add``."""
    group = typer.Typer(no_args_is_help=True, help="Optional network weights, looked up by sha256.")
    group.command("list")(list_weights)
    group.command("check")(check)
    group.command("add")(add)
    app.add_typer(group, name="weights")


def list_weights() -> None:
    """List every known file of weights: role, size, licence, source, and whether it is there."""
    from thedit import weights

    print(f"folder: {weights.folder()}")
    for entry in weights.REGISTRY.values():
        there = "there" if weights.there(entry.name) else "missing"
        print(f"\n{entry.name}: {there}\n  {entry.file}, {entry.megabytes}\n  for {entry.role}")
        print(f"  licence: {entry.licence}\n  sha256: {entry.sha256}\n  from {entry.source}")


def check() -> None:
    """Check the sha256 of every file of weights that is there; status 2 if one is wrong."""
    from thedit import weights

    for name in weights.REGISTRY:
        found = f"as expected, {weights.digest(weights.find(name))}" if weights.there(name) else "missing"
        print(f"{name}: {found}")


def add(file: Annotated[Path, typer.Argument(help="a downloaded file, recognised by its content")]) -> None:
    """Copy a file into the weights folder after checking its sha256."""
    from thedit import weights

    entry = weights.add(file)
    print(f"{entry.name}: added as {weights.folder() / entry.file}")
