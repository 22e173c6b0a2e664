"""The whole of preprocessing: plan shards, process their segments in parallel, write each shard when it is complete.

Finished shards wait in a hidden folder beside the result, under a name that changes with anything that they depend on,
and what is done of unfinished ones beside them, so that a run that was killed goes on from there: it searches and cuts
out again at most as many frames as a shard has, whatever the number of jobs. At the end the shards become the result
together.
"""

import json
import shutil
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError
from tqdm import tqdm

from thedit import locks, provenance
from thedit.config import Config, Preprocess, digest
from thedit.errors import UserError
from thedit.files import atomic, sha256, tidy
from thedit.fitting.model import PATH as LANDMARK_MODEL
from thedit.media.files import UnreadableError, check
from thedit.shards import store, writer
from thedit.video import decode, people
from thedit.video.contact_sheet import draw
from thedit.video.progress import Progress
from thedit.video.segment import Result, Row, Segment, failure, process
from thedit.video.spec import Inputs, Source, Spec, collect, load
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


def preprocess(config: Config, out: Path, jobs: int = 1) -> pd.DataFrame:
    """Make ``out``/shards, qa.parquet and contact_sheet.png from the data set of ``config``; the QA table.

    Raises `UserError` when the spec, its folder or a backend's weights are unusable, not one frame could be kept, or
    another run works with ``out``.
    """
    with locks.held(out):
        return _preprocess(config, out, jobs)


def _preprocess(config: Config, out: Path, jobs: int) -> pd.DataFrame:
    settings = config.data.preprocess
    spec = load(config.data.spec)
    inputs = collect(spec, config.data.name)
    for line in inputs.missing:
        tqdm.write(f"{spec.title}: {line}")
    shards, failures = plan(inputs, settings)
    described = {
        "config_hash": digest(settings),
        "code_version": provenance.code_version(),
        "code_hash": provenance.code_hash("thedit.video.preprocess"),
        "landmark_model_sha256": sha256(LANDMARK_MODEL),
    }
    parts = [value for name, value in described.items() if name != "code_version"]
    key = digest([parts, spec.model_dump(), _stamps(inputs)])
    work = out / f".preprocess-{key}"
    work.mkdir(parents=True, exist_ok=True)
    tidy(work)
    _process_all(shards, settings, inputs.root, spec, work, described, jobs)
    rows = [pq.read_table(path, schema=QA) for path in sorted(work.glob("*.parquet"))]
    table = pa.concat_tables([pa.Table.from_pylist([asdict(row) for row in failures], QA), *rows])
    if spec.faces == "all":
        table = people.name(work, table)
    with atomic(out / "qa.parquet") as sibling:
        pq.write_table(table, sibling)
    kept = sum(status == "kept" for status in table["status"].to_pylist())
    if not kept:
        counts = table.to_pandas()["reason"].value_counts().head(3)
        reasons = "; ".join(f"{reason}: {count}" for reason, count in counts.items())
        raise UserError(f"{inputs.root}: no frame could be kept ({reasons}); see {out / 'qa.parquet'}.")
    _publish(work, out)
    draw(out / "shards", out / "contact_sheet.png")
    return table.to_pandas()


def plan(inputs: Inputs, settings: Preprocess) -> tuple[list[list[Segment]], list[Row]]:
    """Divide all frames into shards, each a list of segments, of together about as many frames as ``settings`` say.

    Inputs that cannot be opened become QA rows, but for those whose number of frames is known: `UserError` names the
    first of these that has another one.
    """
    shards: list[list[Segment]] = []
    failures = [Row(problem.name, "", "", "", None, "failed", problem.reason) for problem in inputs.problems]
    room, longest = 0, settings.frames_per_shard
    for source in inputs.sources:
        try:
            line = decode.timeline(source, settings.max_pixels)
            wanted = decode.numbers(source, line)
        except UnreadableError as error:
            if source.frames:
                raise _incomplete(source, str(error)) from error
            failures.append(failure(source, str(error)))
            continue
        if source.frames not in (0, len(line.ticks)):
            raise _incomplete(source, f"has {len(line.ticks)} frames, not {source.frames} as its sheet says")
        if not wanted:
            failures.append(failure(source, "no frames between its start and end"))
        elif line.short:
            failures.append(failure(source, line.short))
        for first in range(wanted.start, wanted.stop, longest):
            stop = min(first + longest, wanted.stop)
            if not shards or room < stop - first:
                shards.append([])
                room = longest
            shards[-1].append(Segment(source, first, stop, whole=len(wanted) <= longest))
            room -= stop - first
    return shards, failures


def _incomplete(source: Source, reason: str) -> UserError:
    remedy = "make or copy it again ('thedit heads render' for AnnyHeads), or correct the sheet's column frames"
    return UserError(f"{source.paths[0]}: {reason}; {remedy}.")


def _process_all(
    shards: list[list[Segment]],
    settings: Preprocess,
    root: Path,
    spec: Spec,
    work: Path,
    described: dict[str, str],
    jobs: int,
) -> None:
    """Process the shards that ``work`` does not hold yet."""
    todo = {number: shard for number, shard in enumerate(shards) if not _finished(work, number)}
    total = sum(segment.stop - segment.first for shard in shards for segment in shard)
    left = sum(segment.stop - segment.first for shard in todo.values() for segment in shard)
    every = max(1, settings.frames_per_shard // jobs)  # a job loses at most so many frames when it is killed
    progress = {
        number: [Progress(work / SEGMENTS / f"{number:05d}" / f"{index:05d}", every) for index in range(len(shard))]
        for number, shard in todo.items()
    }
    arguments = [
        (segment, settings, root, spec.faces == "all", kept)
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


def _stamps(inputs: Inputs) -> Iterable[list]:
    """Name, size and time of every input file."""
    stamps = []
    for source in inputs.sources:
        for path in source.paths:
            try:
                stamps.append([source.name, str(path), *check(path), source.start, str(source.end)])
            except UnreadableError as error:
                stamps.append([source.name, str(path), str(error)])
    return stamps
