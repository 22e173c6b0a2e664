"""The whole of preprocessing: plan shards, process their segments in parallel, write each shard when it is complete.

Finished shards wait in a hidden folder beside the result, under a name that changes with anything that they depend on,
and what is done of unfinished ones beside them, so that a run that was killed goes on from there: it searches and cuts
out again at most as many frames as a shard has, whatever the number of jobs. At the end the shards become the result
together. Parts of the work (`thedit.parts`) fill the same hidden folder.
"""

import json
import shutil
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError
from tqdm import tqdm

from thedit import locks, parts
from thedit.config import Config, Preprocess
from thedit.errors import UserError
from thedit.files import atomic, tidy
from thedit.parts import WHOLE, Part
from thedit.shards import store, writer
from thedit.video import people
from thedit.video import plan as plans
from thedit.video.contact_sheet import draw
from thedit.video.plan import Plan
from thedit.video.progress import Progress
from thedit.video.segment import Result, Segment, process
from thedit.video.spec import load
from thedit.workers import Workers

SEGMENTS = "segments"  # folder of what is done of unfinished shards
QA = pa.schema(
    [
        ("video", pa.string()),
        ("person", pa.string()),
        ("clip", pa.string()),
        ("split", pa.string()),
        ("frame", pa.int32()),
        ("status", pa.string()),
        ("reason", pa.string()),
    ]
)


def preprocess(config: Config, out: Path, jobs: int = 1, part: Part = WHOLE) -> pd.DataFrame:
    """Make ``out``/shards, qa.parquet and contact_sheet.png from the data set of ``config``; the QA table.

    A part makes some of the shards of the plan that `prepare` has made, and leaves them for the whole to take. Raises
    `UserError` when the spec, its folder or a backend's weights are unusable, not one frame could be kept, or another
    run works with ``out``.
    """
    with parts.held(out, part, config.data):
        return _preprocess(config, out, jobs) if part.whole else _share(config, out, jobs, part)


def prepare(config: Config, out: Path) -> int:
    """Plan the shards of the data set of ``config`` in ``out``, for the jobs that share the work; their number."""
    with locks.held(out):
        plan = plans.planned(config, out)
        plans.save(plan, out)
    return len(plan.shards)


def lost(table: pd.DataFrame) -> pd.Series:
    """How many rows of a QA table are not kept, by status and reason; what each frame measures is left out of it."""
    rows = table[table["status"] != "kept"]
    kind = rows["reason"].where(rows["status"] == "failed", rows["reason"].str.replace(r" \(.*", "", regex=True))
    return rows.assign(reason=kind).groupby(["status", "reason"]).size()


def _share(config: Config, out: Path, jobs: int, part: Part) -> pd.DataFrame:
    plan = plans.saved(config, out)
    share = dict(part.of(list(enumerate(plan.shards))))
    work = _process_all(plan, share, config, out, jobs)
    return _rows([work / f"{number:05d}.parquet" for number in share]).to_pandas()


def _preprocess(config: Config, out: Path, jobs: int) -> pd.DataFrame:
    plan = plans.planned(config, out)
    tidy(_work(plan, out))
    work = _process_all(plan, dict(enumerate(plan.shards)), config, out, jobs)
    failures = pa.Table.from_pylist([asdict(row) for row in plan.failures], QA)
    table = pa.concat_tables([failures, _rows(sorted(work.glob("*.parquet")))])
    if load(config.data.spec).faces == "all":
        table = people.name(work, table)
    with atomic(out / "qa.parquet") as sibling:
        pq.write_table(table, sibling)
    kept = sum(status == "kept" for status in table["status"].to_pylist())
    if not kept:
        counts = lost(table.to_pandas()).sort_values(ascending=False).head(3)
        reasons = "; ".join(f"{reason}: {count}" for (_, reason), count in counts.items())
        raise UserError(f"{plan.root}: no frame could be kept ({reasons}); see {out / 'qa.parquet'}.")
    _publish(work, out)
    draw(out / "shards", out / "contact_sheet.png")
    return table.to_pandas()


def _work(plan: Plan, out: Path) -> Path:
    """Where the shards of a plan wait until all are there."""
    return out / f".preprocess-{plan.key}"


def _rows(paths: list[Path]) -> pa.Table:
    return pa.concat_tables([QA.empty_table(), *(pq.read_table(path, schema=QA) for path in paths)])


def _process_all(plan: Plan, shards: dict[int, list[Segment]], config: Config, out: Path, jobs: int) -> Path:
    """Process those ``shards`` of a plan, by number, that are not there yet; returns the folder where they wait."""
    settings, work = config.data.preprocess, _work(plan, out)
    work.mkdir(parents=True, exist_ok=True)
    todo = {number: shard for number, shard in shards.items() if not _finished(work, number)}
    total = sum(segment.stop - segment.first for shard in shards.values() for segment in shard)
    left = sum(segment.stop - segment.first for shard in todo.values() for segment in shard)
    every = max(1, settings.frames_per_shard // jobs)  # a job loses at most so many frames when it is killed
    progress = {
        number: [Progress(work / SEGMENTS / f"{number:05d}" / f"{index:05d}", every) for index in range(len(shard))]
        for number, shard in todo.items()
    }
    every_face, described = load(config.data.spec).faces == "all", plans.described(settings)
    arguments = [
        (segment, settings, plan.root, every_face, kept)
        for number, shard in todo.items()
        for segment, kept in zip(shard, progress[number])
    ]
    with tqdm(total=total, initial=total - left, unit="frame", desc="preprocess") as bar:
        finished = _finish_all(arguments, jobs)
        for number, shard in todo.items():
            for _ in shard:
                bar.update(next(finished))
            _write(work, number, shard, [_result(kept) for kept in progress[number]], described)
            shutil.rmtree(work / SEGMENTS / f"{number:05d}")
    return work


def _finished(work: Path, number: int) -> bool:
    """Whether ``work`` holds a shard as it was written; what is damaged of it is taken away."""
    rows, frames, embeddings = (work / f"{number:05d}.{kind}" for kind in ("parquet", "arrow", "safetensors"))
    if not rows.exists():
        return False
    try:
        if "kept" in pq.read_table(rows, schema=QA)["status"].to_pylist():
            store.verify(frames)
        if embeddings.exists():
            people.load(embeddings)
    except (UserError, OSError, pa.ArrowException, SafetensorError):
        for path in (rows, frames, embeddings):
            path.unlink(missing_ok=True)
        return False
    return True


def _finish_all(arguments: list[tuple], jobs: int) -> Iterator[int]:
    """Finish the segments in parallel; the number of frames of each, in order."""
    if jobs == 1:
        _prepare()
        yield from (_finish(*values) for values in arguments)
        return
    with Workers(jobs, _prepare) as pool:
        pending: deque[Future[int]] = deque()
        for values in arguments:
            pending.append(pool.submit(_finish, *values))
            if len(pending) >= 2 * jobs:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _finish(segment: Segment, settings: Preprocess, root: Path, every_face: bool, progress: Progress) -> int:
    """Do what ``progress`` does not hold yet of a segment, and keep the result there; the segment's length."""
    if progress.load("result", Result) is None:
        progress.save("result", process(segment, settings, root, every_face, progress=progress))
    return segment.stop - segment.first


def _result(progress: Progress) -> Result:
    result = progress.load("result", Result)
    if result is None:
        raise UserError(f"{progress.stem}.result: was damaged after it was written; run the command again.")
    return result


def _prepare() -> None:
    """One thread per process: the processes are the parallelism."""
    import cv2
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def _write(work: Path, number: int, shard: list[Segment], done: list[Result], described: dict[str, str]) -> None:
    """One shard and then its QA rows: the rows' file says that both are complete."""
    frames = [frame for result in done for frame in result.frames]
    if frames:
        sources = {segment.source.name: result.sha256 for segment, result in zip(shard, done) if result.sha256}
        writer.write_shard(work / f"{number:05d}.arrow", frames, {"source_sha256": json.dumps(sources), **described})
    embeddings = {name: vector for result in done for name, vector in result.embeddings.items()}
    if embeddings:
        people.save(work / f"{number:05d}.safetensors", embeddings)
    rows = pa.Table.from_pylist([asdict(row) for result in done for row in result.rows], QA)
    with atomic(work / f"{number:05d}.parquet") as sibling:
        pq.write_table(rows, sibling)


def _publish(work: Path, out: Path) -> None:
    """The shards of ``work`` replace those of ``out``; what earlier configurations left behind goes."""
    shutil.rmtree(work / SEGMENTS, ignore_errors=True)
    for path in [*work.glob("*.parquet"), *work.glob("*.safetensors")]:
        path.unlink()
    shutil.rmtree(out / "shards", ignore_errors=True)
    work.rename(out / "shards")
    for stale in out.glob(".preprocess-*"):
        shutil.rmtree(stale)
