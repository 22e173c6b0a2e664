"""What preprocessing has to do: all frames of a data set divided into shards, the same whatever jobs share the work."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from thedit import provenance
from thedit.config import Config, Preprocess, digest
from thedit.errors import UserError
from thedit.files import sha256
from thedit.fitting.model import PATH as LANDMARK_MODEL
from thedit.media.files import UnreadableError, check
from thedit.video import decode
from thedit.video.progress import Progress
from thedit.video.segment import Row, Segment, failure
from thedit.video.spec import Inputs, Source, Spec, collect, load

FILE = "preprocess.plan"  # in the folder of the data set, while parts of it are preprocessed


@dataclass(frozen=True)
class Plan:
    """The work, and all that it was planned from.

    root: the folder of the inputs; stamps: changes with name, size and time of every input file; key: changes with
    anything that a shard follows from; shards: segments, by shard; failures: QA rows of inputs that cannot be used.
    """

    root: Path
    stamps: str
    key: str
    shards: list[list[Segment]]
    failures: list[Row]


def planned(config: Config, out: Path) -> Plan:
    """The plan for ``config``: the one that `save` left in ``out``, if the files are those of then, or a new one.

    Raises `UserError` when the spec, its folder or a file of which a sheet says how long it is are unusable.
    """
    settings, spec = config.data.preprocess, load(config.data.spec)
    inputs = collect(spec, config.data.name)
    for line in inputs.missing:
        tqdm.write(f"{spec.title}: {line}")
    stamps = digest(list(_stamps(inputs)))
    key = _key(settings, spec, stamps)
    kept = _load(out)
    if kept is not None and kept.key == key:
        return kept
    shards, failures = divide(inputs, settings)
    return Plan(inputs.root, stamps, key, shards, failures)


def save(plan: Plan, out: Path) -> None:
    """Keep ``plan`` in ``out`` for the jobs that share the work."""
    Progress(out / Path(FILE).stem).save("plan", plan)


def saved(config: Config, out: Path) -> Plan:
    """The plan that `save` left in ``out``, without a look at the data set's files.

    Raises `UserError` if there is none, or it was made with other settings or code.
    """
    plan = _load(out)
    if plan is None or plan.key != _key(config.data.preprocess, load(config.data.spec), plan.stamps):
        raise UserError(
            f"{out / FILE}: is missing, damaged, or of other settings or code; make it with 'thedit preprocess --plan'."
        )
    return plan


def described(settings: Preprocess) -> dict[str, str]:
    """What a shard says of the settings and the code that it was made with."""
    return {
        "config_hash": digest(settings),
        "code_version": provenance.code_version(),
        "code_hash": provenance.code_hash("thedit.video.preprocess"),
        "landmark_model_sha256": sha256(LANDMARK_MODEL),
    }


def divide(inputs: Inputs, settings: Preprocess) -> tuple[list[list[Segment]], list[Row]]:
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


def _load(out: Path) -> Plan | None:
    return Progress(out / Path(FILE).stem).load("plan", Plan)


def _key(settings: Preprocess, spec: Spec, stamps: str) -> str:
    parts = [value for name, value in described(settings).items() if name != "code_version"]
    return digest([parts, spec.model_dump(), stamps])


def _stamps(inputs: Inputs) -> Iterator[list]:
    """Name, size and time of every input file."""
    for source in inputs.sources:
        for path in source.paths:
            try:
                yield [source.name, str(path), *check(path), source.start, str(source.end)]
            except UnreadableError as error:
                yield [source.name, str(path), str(error)]
