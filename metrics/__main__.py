"""``python -m metrics``: score results made elsewhere against their true frames.

Both folders hold videos, or folders of pictures; clips are paired by name, frames in order. The driving frame is taken
to be the true frame, and the source the first true frame of a clip unless --source gives others.
"""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import torch
import typer
from tqdm import tqdm

from metrics import aggregate, folders, suite, tables
from metrics.measure import Measurer, pixel_sha256
from metrics.run import rows
from metrics.score import Pair
from metrics.text import readable
from thedit import camera, provenance
from thedit.config import digest
from thedit.errors import UserError

PROTOCOL = "folders"


def main(
    pred: Annotated[Path, typer.Option(help="folder of predicted frames or videos")],
    target: Annotated[Path, typer.Option(help="folder of true frames or videos, paired by name")],
    suite_name: Annotated[str, typer.Option("--suite", help="embedded or paper")] = "embedded",
    source: Annotated[Path | None, typer.Option(help="folder with one source picture a clip, CLIP.png")] = None,
    backend: Annotated[list[str] | None, typer.Option(help="another network for a role, ROLE=NAME; repeatable")] = None,
    out: Annotated[Path, typer.Option(help="folder of the tables")] = Path("metrics-out"),
    resamples: Annotated[
        int, typer.Option(min=1, help="bootstrap resamples, clustered by person (PERSON/CLIP) or clip")
    ] = 1000,
    seed: Annotated[int, typer.Option(help="seed of the bootstrap")] = 0,
) -> None:
    """Write frames.parquet and metrics.parquet to --out and print the table."""
    overrides = dict(_override(value) for value in backend or [])
    measurer = Measurer(suite.load(suite_name, overrides))
    scores = []
    for name, ours, theirs in tqdm(list(folders.paired(pred, target)), desc="clips", unit="clip"):
        scores += score_clip(name, folders.frames(ours), folders.frames(theirs), _source(source, name), measurer, pred)
    table = pd.DataFrame(scores)
    stamp = {
        "seed": seed,
        "config_hash": digest([suite_name, overrides, resamples]),
        "code_version": provenance.code_version(),
        "packages": json.dumps(provenance.packages()),
        "device": provenance.device(),
    }
    results = aggregate.metrics(table, resamples, seed).assign(**stamp)
    tables.write(aggregate.frames(table), tables.FRAMES, out / "frames.parquet")
    tables.write(results, tables.METRICS, out / "metrics.parquet")
    print(readable(tables.read(out / "metrics.parquet", tables.METRICS)))
    print(f"All variants: {out / 'metrics.parquet'}; a value a frame: {out / 'frames.parquet'}")


def score_clip(
    name: str, predictions: list[Any], targets: list[Any], source: Any, measurer: Measurer, folder: Path
) -> list[dict[str, Any]]:
    """Score rows of one clip whose driving frames are its true frames, seen by the default camera."""
    if len(predictions) != len(targets):
        raise UserError(f"{folder}: clip '{name}' has {len(predictions)} frames, its target {len(targets)}.")
    if predictions[0].shape != targets[0].shape:
        raise UserError(f"{folder}: clip '{name}' has frames of {predictions[0].shape}, its target {targets[0].shape}.")
    view = camera.label(camera.orbit(0.0, 0.0), camera.intrinsics()).expand(len(targets), -1)
    pair = Pair(
        predictions=predictions,
        reasons=[""] * len(predictions),
        drivers=targets,
        targets=targets,
        source=targets[0] if source is None else source,
        person=targets[:: max(1, len(targets) // 8)],
        requested=view,
        driving=view,
    )
    labels = {"method": folder.name, "method_version": "", "dataset": "", "split": "", "protocol": PROTOCOL}
    labels |= {"pair": name, "source_id": name, "driver_id": name}
    digests = [pixel_sha256(picture) for picture in predictions], [pixel_sha256(picture) for picture in targets]
    found = rows(pair, measurer, labels, *digests)
    return [row for row in found if not str(row["variant"]).endswith("@camera")]  # nobody asked for a camera


def _source(folder: Path | None, name: str) -> Any:
    if folder is None:
        return None
    return folders.frames(folders.clips(folder).get(name) or folders.clips(folder / name)["."])[0]


def _override(value: str) -> tuple[str, str]:
    role, separator, name = value.partition("=")
    if not separator:
        raise UserError(f"--backend: '{value}' is not ROLE=NAME, e.g. blendshapes=mediapipe.")
    return role, name


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    try:
        typer.run(main)
    except UserError as error:
        print(f"metrics: {error}", file=sys.stderr)
        sys.exit(2)
