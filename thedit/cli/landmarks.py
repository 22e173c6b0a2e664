"""``thedit landmarks``: the project's own landmark network."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the group's commands."""
    landmarks = typer.Typer(no_args_is_help=True, help=__doc__)
    app.add_typer(landmarks, name="landmarks")
    landmarks.callback()(lambda: None)
    landmarks.command("train")(train)


def train(
    config: Annotated[Path, typer.Option(help="configuration with data.heads and train, e.g. config/landmarks.yaml")],
    out: Annotated[Path, typer.Option(help="file to write, .safetensors; the log goes beside it")],
    side: Annotated[int, typer.Option(min=64, help="of the network's pictures in pixels, a multiple of 32")] = 128,
) -> None:
    """Train the landmark backend 'annyheads' on a data set that 'thedit heads render' made in data/NAME."""
    from thedit import layout
    from thedit.config import load
    from thedit.landmarks.train import train

    settings = load(config)
    error = train(settings, layout.data(settings), out, side)
    frames, mean, worst = error["frames"], error["mean"], error["95th percentile"]
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB")
    print(f"error on {frames} pictures of other people, eye distances: mean {mean:.4f}, 95th percentile {worst:.4f}")
