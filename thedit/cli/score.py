"""`thedit score` and `aggregate`: from predictions to numbers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

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
    from metrics import tables
    from metrics.measure import Measurer
    from metrics.run import score as score_method
    from metrics.suite import load as load_suite
    from thedit import provenance
    from thedit.config import load
    from thedit.evaluation import layout
    from thedit.files import sha256
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
    store = FrameStore(layout.shards(settings))

    def truth(rows: "pd.DataFrame") -> "list[np.ndarray]":
        from metrics.annyheads import TruePictures  # only AnnyHeads has true pictures that nobody recorded

        return TruePictures(layout.data(settings), store, store.size, folder / "cache" / "truth")(rows)

    rows = score_method(pairs, layout.predictions(settings, method, protocol), store, measurer, truth, labels)
    path = folder / f"{method}-{protocol}.parquet"
    tables.write(rows, tables.SCORES, path)
    failed = rows.loc[(~rows["valid"]) & (rows["metric"] != tables.FEATURES), ["pair", "frame"]].drop_duplicates()
    typer.echo(f"{path}: {len(pairs)} frames, {len(failed)} of them with a value that could not be measured")


def aggregate(config: ConfigFile) -> None:
    """Turn all scores into results/RUN/frames.parquet, metrics.parquet and comparisons.parquet."""
    import json

    import pandas as pd

    from metrics import aggregate, tables
    from thedit import provenance
    from thedit.config import digest, load
    from thedit.evaluation import layout

    settings = load(config)
    folder = layout.run(settings)
    files = [
        folder / "scores" / f"{method}-{protocol}.parquet"
        for method in settings.methods
        for protocol in settings.evaluation.protocols
    ]
    scores = pd.concat([tables.read(path, tables.SCORES) for path in files], ignore_index=True)
    stamp = {"seed": settings.seed, "config_hash": digest(settings), "code_version": provenance.code_version()}
    made = {"packages": json.dumps(provenance.packages()), "device": provenance.device()}
    resamples = settings.metrics.bootstrap
    frames = aggregate.frames(scores)
    results = {
        "frames": (frames, tables.FRAMES),
        "metrics": (aggregate.metrics(scores, resamples, settings.seed).assign(**stamp, **made), tables.METRICS),
        "comparisons": (
            aggregate.comparisons(frames, settings.methods[0], resamples, settings.seed).assign(**stamp),
            tables.COMPARISONS,
        ),
    }
    for name, (table, schema) in results.items():
        tables.write(table, schema, folder / f"{name}.parquet")
        typer.echo(f"{folder / name}.parquet: {len(table)} rows")
