"""``thedit preprocess``: from video files to training-ready shards."""

from pathlib import Path
from typing import Annotated

import typer

from thedit.cli import PartOption


def register(app: typer.Typer) -> None:
    """Add the command ``preprocess``."""
    app.command()(preprocess)


def preprocess(
    config: Annotated[Path, typer.Option(help="configuration of the run")],
    out: Annotated[Path, typer.Option(help="folder of the data set: shards/, qa.parquet, contact_sheet.png")],
    jobs: Annotated[int, typer.Option(min=1, help="processes")] = 1,
    part: PartOption = "1-of-1",
    plan: Annotated[bool, typer.Option("--plan", help="only list and divide the videos, as --part needs it")] = False,
) -> None:
    """Find faces in videos or pictures, crop them, and label cameras, landmarks, expressions and facial parts."""
    from thedit import config as configuration
    from thedit import parts
    from thedit.video import preprocess as stage

    settings, share = configuration.load(config), parts.parse(part)
    if plan:
        print(f"{out}: {stage.prepare(settings, out)} shards planned")
        return
    table = stage.preprocess(settings, out, jobs, share)
    counts = table["status"].value_counts()
    print(out if share.whole else f"{out}, part {share}", end=": ")
    print(f"{counts.get('kept', 0)} frames kept, {counts.get('dropped', 0)} dropped; ", end="")
    print(f"{counts.get('failed', 0)} inputs or frames failed")
    for (status, reason), count in stage.lost(table).items():
        print(f"  {status}: {reason}: {count}")
