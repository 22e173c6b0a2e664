"""``thedit preprocess-check``: how good the labels of a preprocessed data set are."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command ``preprocess-check``."""
    app.command()(preprocess_check)


def preprocess_check(config: Annotated[Path, typer.Option(help="configuration of the run")]) -> None:
    """Measure labels against AnnyHeads' truth or MediaPipe, and the loader's speed; a row each, with its limit."""
    from thedit import config as configuration
    from thedit import layout
    from thedit.locks import reading
    from thedit.video.accuracy import check

    settings = reading(configuration.load(config))
    folder = layout.data(settings)
    print(check(settings, folder).to_string(index=False))
    print(f"written to {folder / 'preprocess_check.parquet'}")
