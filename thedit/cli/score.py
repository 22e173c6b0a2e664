"""`thedit score` and `aggregate`: from predictions to numbers."""

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[Path, typer.Option("--config", help="configuration of the run")]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command()(score)
    app.command()(aggregate)


def score(
    config: ConfigFile,
    method: Annotated[str, typer.Option(help="name of the method's spec")],
    protocol: Annotated[str, typer.Option(help="name of a file in config/protocols/")],
) -> None:
    """Score a method's frames: results/RUN/scores/METHOD-PROTOCOL.parquet."""
    from thedit import provenance
    from thedit.config import load
    from thedit.evaluation import layout
    from thedit.files import sha256
    from thedit.metrics import tables
    from thedit.metrics.measure import Measurer
    from thedit.metrics.run import score as score_method
    from thedit.metrics.suite import load as load_suite
    from thedit.shards.store import FrameStore

    settings = load(config)
    pairs = tables.read(layout.pairs(settings, protocol), tables.PAIRS)
    weights = layout.weights(settings, method)
    folder = layout.run(settings) / "scores"
    measurer = Measurer(load_suite(settings.metrics.suite, settings.metrics.backends), folder / "cache")
    labels = {
        "method": method,
        "method_version": sha256(weights)[:12] if weights.is_file() else provenance.code_version(),
        "dataset": settings.data.name,
        "protocol": protocol,
    }
    store, data = FrameStore(layout.shards(settings)), layout.data(settings)
    truth = None
    if (data / "truth").is_dir():  # only AnnyHeads has true pictures that nobody recorded
        from thedit.metrics.annyheads import TruePictures

        truth = TruePictures(data, store, store.size, folder / "cache" / "truth")
    rows = score_method(pairs, layout.predictions(settings, method, protocol), store, measurer, truth, labels)
    path = folder / f"{method}-{protocol}.parquet"
    tables.write(rows, tables.SCORES, path)
    failed = rows.loc[(~rows["valid"]) & (rows["metric"] != tables.FEATURES), ["pair", "frame"]].drop_duplicates()
    typer.echo(f"{path}: {len(pairs)} frames, {len(failed)} of them with a value that could not be measured")


def aggregate(config: ConfigFile) -> None:
    """Turn all scores into the record and the tables of a run: frames.parquet, metrics.parquet and the like."""
    from thedit.config import load
    from thedit.evaluation import layout
    from thedit.results import derive, record

    settings = load(config)
    record.write(settings)
    derive.write(settings)
    typer.echo(f"{layout.run(settings)}: frames, metrics, comparisons, views")
