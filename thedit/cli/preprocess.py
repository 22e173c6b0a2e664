"""``thedit preprocess``: from video files to training-ready shards."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command ``preprocess``."""
    app.command()(preprocess)


def preprocess(
    config: Annotated[Path, typer.Option(help="configuration of the run")],
    out: Annotated[Path, typer.Option(help="folder of the data set: shards/, qa.parquet, contact_sheet.png")],
    jobs: Annotated[int, typer.Option(min=1, help="processes")] = 1,
) -> None:
    """Find faces in videos or pictures, crop them, and label cameras, landmarks, expressions and facial parts."""
    from thedit import config as configuration
    from thedit.video.preprocess import preprocess as run

    table = run(configuration.load(config), out, jobs)
    counts = table["status"].value_counts()
    print(f"{out}: {counts.get('kept', 0)} frames kept, {counts.get('dropped', 0)} dropped; ", end="")
    print(f"{counts.get('failed', 0)} inputs or frames failed")
    for (status, reason), count in table[table["status"] != "kept"].groupby(["status", "reason"]).size().items():
        print(f"  {status}: {reason}: {count}")
