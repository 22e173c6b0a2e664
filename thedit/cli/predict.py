"""`thedit pairs` and `thedit predict`: what is to be made, and making it."""

from pathlib import Path
from typing import Annotated

import typer

from thedit.cli import PartOption

ConfigFile = Annotated[Path, typer.Option("--config", help="configuration of the run")]
ProtocolName = Annotated[str, typer.Option(help="name of a file in config/protocols/")]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command()(pairs)
    app.command()(predict)


def pairs(config: ConfigFile, protocol: ProtocolName) -> None:
    """Write which frames a protocol wants: results/RUN/protocols/PROTOCOL.parquet."""
    from thedit.config import load
    from thedit.evaluation.pairs import write_pairs
    from thedit.locks import reading

    typer.echo(write_pairs(reading(load(config)), protocol))


def predict(
    config: ConfigFile,
    method: Annotated[str, typer.Option(help="name of the method's spec")],
    protocol: ProtocolName,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="status 0 even if frames failed")] = False,
    part: PartOption = "1-of-1",
) -> None:
    """Make every frame of a protocol: results/RUN/predictions/METHOD/PROTOCOL/; status 3 if frames failed."""
    from thedit.config import load
    from thedit.evaluation.stage import make
    from thedit.locks import reading
    from thedit.parts import parse

    table = make(reading(load(config)), method, protocol, parse(part))
    counts = ", ".join(f"{count} {status}" for status, count in table["status"].value_counts().items())
    typer.echo(f"{method} {protocol}: {counts}")
    if failed := sorted(set(table.loc[table["status"] == "failed", "reason"])):
        typer.echo("\n".join(failed), err=True)
        raise typer.Exit(0 if keep_going else 3)
