"""`thedit validity`: how well the metrics track the truth."""

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[Path, typer.Option("--config", help="configuration of the run")]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(validity)


def validity(config: ConfigFile) -> None:
    """Measure how well the metrics track AnnyHeads' truth: results/RUN/validity.parquet and figures/validity.png."""
    from thedit import provenance
    from thedit.config import digest, load
    from thedit.evaluation import layout
    from thedit.figures import style
    from thedit.figures import validity as chart
    from thedit.metrics import annyheads, tables
    from thedit.metrics import validity as benchmark
    from thedit.metrics.measure import Measurer
    from thedit.metrics.suite import load as load_suite
    from thedit.shards.store import FrameStore

    settings = load(config)
    folder = layout.run(settings)
    suite = load_suite(settings.metrics.suite, settings.metrics.backends)
    measurer = Measurer(suite, folder / "scores" / "cache")
    store = FrameStore(layout.shards(settings))
    sample = annyheads.validity_sample(layout.data(settings), store, measurer, settings.data.heads.size)
    stamp = {"dataset": settings.data.name, "config_hash": digest(settings), "code_version": provenance.code_version()}
    rows = benchmark.validity(sample, suite).assign(**stamp)
    tables.write(rows, tables.VALIDITY, folder / "validity.parquet")
    style.save(folder / "figures" / "validity.png", chart.draw(rows))
    typer.echo(
        f"{folder}/validity.parquet: {len(rows)} rows from {len(sample)} frames of {rows['n_people'].max()} people"
    )
