"""`thedit reenact`: a picture that moves as a video does."""

from pathlib import Path
from typing import Annotated

import typer

WEIGHTS = Path("data/pretrained/planedict-lifted-small.safetensors")


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(reenact)


def reenact(
    source: Annotated[Path, typer.Option(help="picture of the person who shall move")],
    driving: Annotated[Path, typer.Option(help="video of the face whose motion it is")],
    out: Annotated[Path, typer.Option(help="video to write, .mp4")],
    weights: Annotated[Path, typer.Option(help="weights of a method, those of a run or exported ones")] = WEIGHTS,
) -> None:
    """Animate the person of a picture with the motion of a video."""
    from thedit.evaluation.animate import animate

    made = animate(source, driving, out, weights)
    typer.echo(f"{out}: {made.frames} frames")
    if made.repeated:
        reasons = "; ".join(f"{reason}: {count}" for reason, count in made.repeated.items())
        typer.echo(f"{sum(made.repeated.values())} of them repeat another frame ({reasons})")
    typer.echo(
        f"{made.seconds:.1f} s in all, {made.frames / made.seconds:.2f} frames/s, "
        f"peak memory {made.peak_mib:.0f} MiB, on {made.device}"
    )
