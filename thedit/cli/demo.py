"""`thedit demo`: a page to try it."""

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from thedit.errors import UserError


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(demo)


def demo(
    weights: Annotated[list[Path] | None, typer.Option(help="weights to choose from; may be given again")] = None,
    run: Annotated[Path | None, typer.Option(help="folder of a run, whose methods are to be chosen from")] = None,
    host: Annotated[
        str, typer.Option(help="address to listen at; only this machine reaches the default")
    ] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="port; by default the first free one from 7860 on")] = None,
    most_megabytes: Annotated[int, typer.Option(min=1, help="largest file that is taken")] = 100,
    most_seconds: Annotated[float, typer.Option(min=1, help="longest video that is taken")] = 60.0,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...; auto: the GPU if there is one")] = "auto",
) -> None:
    """Serve a page on which a portrait is moved by a video and by sliders; needs requirements-demo.lock."""
    with tempfile.TemporaryDirectory(prefix="thedit-demo-") as name:
        os.environ["GRADIO_TEMP_DIR"] = name  # uploads lie here and go with it
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # nothing is told to anybody
        try:
            from thedit.demo import page
        except ModuleNotFoundError as error:
            raise UserError(
                f"thedit demo: the package {error.name} is missing; "
                "install it with 'pip install --no-deps -r requirements-demo.lock'."
            ) from error
        from thedit import pretrained
        from thedit.demo.studio import Studio, by_name, of_run

        chosen = of_run(run) if run else by_name(weights or [pretrained.find()])
        page.launch(Studio(chosen, Path(name), device, most_seconds), host, port, most_megabytes)
