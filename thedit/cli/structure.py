"""`thedit structure`: what a tri-plane model has learned inside."""

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[Path, typer.Option("--config", help="configuration of the run")]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(structure)


def structure(
    config: ConfigFile, method: Annotated[str, typer.Option(help="name of a tri-plane method's spec")]
) -> None:
    """Measure depth, dense correspondence and disentanglement on AnnyHeads: results/RUN/structure/METHOD.parquet."""
    from thedit import provenance
    from thedit.config import digest, load
    from thedit.errors import UserError
    from thedit.evaluation import layout
    from thedit.evaluation.run import ready
    from thedit.heads import assets
    from thedit.heads.dataset import Truth
    from thedit.methods.planedict import PlaneDict
    from thedit.metrics import annyheads, tables
    from thedit.metrics.structure import structure as measure
    from thedit.shards.store import FrameStore

    settings = load(config)
    store = FrameStore(layout.shards(settings))
    model = ready(settings, method, store.size)
    if not isinstance(model, PlaneDict):
        raise UserError(f"--method: '{method}' has no tri-planes to look into; planedict and its ablations have.")
    heads, data = assets.load(), layout.data(settings)
    truth = Truth(data, heads, model.options.neural_size)
    labels = annyheads.TrueLabels(data, store, truth.heads.size)
    rows = measure(model.cpu(), store, labels, truth, heads)
    stamp = {"dataset": settings.data.name, "config_hash": digest(settings), "code_version": provenance.code_version()}
    path = layout.run(settings) / "structure" / f"{method}.parquet"
    tables.write(rows.assign(method=method, **stamp), tables.STRUCTURE, path)
    typer.echo(f"{path}: {len(rows)} rows")
