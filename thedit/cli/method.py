"""`thedit method`: the methods that there are, and how to add one."""

from pathlib import Path
from typing import Annotated

import typer

Name = Annotated[str, typer.Argument(help="name of the method, as in a config's list of methods")]


def register(app: typer.Typer) -> None:
    """Add the commands ``method list``, ``new``, ``check`` and ``overfit``."""
    group = typer.Typer(no_args_is_help=True, help="The methods of the comparison: list, add, check.")
    group.command("list")(list_methods)
    group.command("new")(new)
    group.command("check")(check)
    group.command("overfit")(overfit)
    app.add_typer(group, name="method")


def list_methods() -> None:
    """List the methods of all installed packages: name, role, licence, class."""
    from thedit.methods import registry

    specs = [registry.find(name) for name in registry.names()]
    width = max(len(spec.name) for spec in specs)
    for spec in specs:
        typer.echo(f"{spec.name:{width}}  {spec.kind:8}  {spec.licence:10}  {spec.implementation}")


def new(
    name: Name, in_tree: Annotated[bool, typer.Option("--in-tree", help="as part of this project's own tree")] = False
) -> None:
    """Write a working skeleton: class, spec and test, as a package of its own in the current directory."""
    from thedit.methods.skeleton import create

    for path in create(name, Path(), in_tree):
        typer.echo(path)


def check(
    name: Name, preset: Annotated[str, typer.Option(help="size of the network")] = "tiny", size: int = 64
) -> None:
    """Check that a method keeps to the interface, on made-up frames."""
    from thedit.methods.conformance import check

    for line in check(name, preset, size):
        typer.echo(line)


def overfit(
    name: Name,
    config: Annotated[Path, typer.Option("--config", help="configuration of the run")],
    clip: Annotated[str, typer.Option(help="the clip to learn, PERSON/CLIP")] = "train-0000/00",
    steps: Annotated[int, typer.Option(help="optimiser steps after which it has failed")] = 3000,
    every: Annotated[int, typer.Option(help="steps between measurements")] = 100,
    target: Annotated[float, typer.Option(help="PSNR in dB that ends it")] = 28.0,
) -> None:
    """Train a method on one clip until it reproduces it; status 1 if it does not: results/RUN/overfit/NAME.parquet."""
    from thedit import layout
    from thedit.config import load
    from thedit.training.overfit import overfit

    settings = load(config)
    last = overfit(
        settings, name, clip, steps, every, target, layout.run(settings) / "overfit" / f"{name}.parquet"
    ).iloc[-1]
    reached = last["psnr"] >= target
    typer.echo(f"{name}: {last['psnr']:.2f} dB after {last['step']} steps, {last['seconds']:.0f} s")
    raise typer.Exit(0 if reached else 1)
