"""``python -m thedit.metrics``: score results made elsewhere against their true frames.

Both folders hold videos, or folders of pictures; clips are paired by name, frames by the number in their name. The
driving frame is taken to be the true frame, and the source the first true frame of a clip unless --source gives others.
Transparent pictures are laid over white.
"""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
import typer

from thedit import files, provenance
from thedit.config import digest
from thedit.errors import UserError, sentence
from thedit.metrics import aggregate, clips, scale, suite, tables
from thedit.metrics.text import readable


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
    jobs: Annotated[int, typer.Option(min=1, help="processes; the values do not depend on it")] = os.cpu_count() or 1,
) -> None:
    """Write metrics.parquet, frames.parquet and pairing.parquet to --out and print the table."""
    torch.set_num_threads(1)  # here as in the workers: the processes are the parallelism
    overrides = dict(_override(value) for value in backend or [])
    embedding = suite.load(suite_name, overrides).embedding  # says what is missing before any work begins
    found, remarks = clips.find(pred, target, source)
    for remark in remarks:
        print(f"metrics: {remark}", file=sys.stderr)
    files.check_writable(out)
    table = pd.DataFrame(clips.score(found, suite_name, overrides, jobs))
    stamp = {
        "seed": seed,
        "config_hash": digest([suite_name, overrides, resamples]),
        "code_version": provenance.code_version(),
        "packages": json.dumps(provenance.packages()),
        "device": provenance.device(),
    }
    frames = aggregate.frames(table)
    results = aggregate.metrics(frames, aggregate.distances(table), resamples, seed).assign(**stamp)
    tables.write(frames, tables.FRAMES, out / "frames.parquet")
    tables.write(results, tables.METRICS, out / "metrics.parquet")
    tables.write(clips.pairs(found), tables.PAIRING, out / "pairing.parquet")
    print(readable(tables.read(out / "metrics.parquet", tables.METRICS)))
    data, ends = scale.known(embedding.name, embedding.sha256)
    (out / "scale.parquet").unlink(missing_ok=True)  # an earlier call's, perhaps of another network
    if len(ends):
        tables.write(ends, tables.SCALE, out / "scale.parquet")
        same, different = (ends.set_index("group")["value"][group] for group in (scale.SAME, scale.DIFFERENT))
        print(f"csim of {embedding.name} is {same:.3f} for two clips of one person, {different:.3f} for two people")
        print(f"(measured on {data}; stored in {out / 'scale.parquet'})")
    print(f"All variants: {out / 'metrics.parquet'}; one value per frame: {out / 'frames.parquet'}")


def _override(value: str) -> tuple[str, str]:
    role, separator, name = value.partition("=")
    if not separator:
        raise UserError(f"--backend: '{value}' is not ROLE=NAME, e.g. blendshapes=mediapipe-blendshapes.")
    return role, name


if __name__ == "__main__":
    try:
        typer.run(main)
    except Exception as error:
        if (told := sentence(error)) is None:
            raise
        print(f"metrics: {told}", file=sys.stderr)
        sys.exit(2)
