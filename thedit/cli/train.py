"""`thedit train` and `thedit export`: from shards to weights, and to weights that can be given away."""

from pathlib import Path
from typing import Annotated, Literal

import typer

ConfigFile = Annotated[Path, typer.Option("--config", help="configuration of the run")]
MethodName = Annotated[str, typer.Option(help="name of the method's spec")]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command()(train)
    app.command()(export)


def train(
    config: ConfigFile,
    method: MethodName,
    processes: Annotated[int, typer.Option(min=0, help="processes that share each batch, one per GPU")] = 1,
    resume: Annotated[
        Literal["anyway", "restart"] | None,
        typer.Option(help="where other code wrote the checkpoint: go on from it anyway; restart: begin anew"),
    ] = None,
    init: Annotated[
        Path | None, typer.Option(help="weights of the same model to begin with, to go on with other videos")
    ] = None,
) -> None:
    """Train a method, or go on where an interrupted training stopped: results/RUN/methods/METHOD/.

    SIGTERM, which clusters send before they end a job, makes it write a checkpoint first.
    """
    if processes > 1:
        from thedit.training.distributed import launch

        given = [*(["--resume", resume] if resume else []), *(["--init", str(init)] if init else [])]
        launch(["train", "--config", str(config), "--method", method, *given], processes)
    from thedit import layout
    from thedit.config import load
    from thedit.locks import reading
    from thedit.training.loop import train

    settings = reading(load(config))
    train(settings, method, layout.shards(settings), layout.weights(settings, method).parent, resume, init)


def export(
    config: ConfigFile,
    method: MethodName,
    out: Annotated[Path, typer.Option(help="file to write, .safetensors")],
) -> None:
    """Write a trained method's weights in half precision, for `thedit reenact` and for others."""
    from thedit import layout
    from thedit.config import load
    from thedit.training.export import export

    export(layout.weights(load(config), method), out)
    typer.echo(f"{out}: {out.stat().st_size / 1e6:.1f} MB")
