"""Renders a whole data set with several processes, on the GPUs if there are any; finished clips are kept."""

from collections.abc import Iterator
from concurrent.futures import as_completed
from itertools import chain, groupby
from pathlib import Path

from tqdm import tqdm

from thedit import parts
from thedit.config import Heads
from thedit.files import tidy
from thedit.heads import counts, croissant
from thedit.heads.dataset import SPLITS, Clip, Split, clips, fingerprint, finished, record, write_sheet
from thedit.parts import WHOLE, Part
from thedit.processes import take_turns_on_gpus
from thedit.workers import Workers


def render(
    heads: Heads, out: str | Path, assets: str | Path, jobs: int, splits: tuple[Split, ...] = SPLITS, part: Part = WHOLE
) -> None:
    """Write videos, truth and sample sheet of a data set to ``out``; ``assets`` is the head asset file.

    A part makes videos and truth of some of the people. Raises `thedit.errors.UserError` if another run works with
    ``out``.
    """
    with parts.held(Path(out), part, heads):
        _render(heads, Path(out), Path(assets), jobs, splits, part)


def _render(heads: Heads, folder: Path, assets: Path, jobs: int, splits: tuple[Split, ...], part: Part) -> None:
    if part.whole:
        tidy(folder / "videos", folder / "truth")
    key, wanted = fingerprint(heads), clips(heads, splits)
    share = chain.from_iterable(part.of(_people(wanted)))
    tasks = _people([clip for clip in share if not finished(folder, clip, key)])
    todo = list(chain.from_iterable(tasks))
    with tqdm(total=len(todo) * heads.frames_per_clip, unit="frame", desc="heads", disable=not todo) as progress:
        for done in _run(tasks, heads, folder, assets, key, jobs):
            progress.update(done * heads.frames_per_clip)
    if part.whole:
        write_sheet(folder, heads, wanted)
        croissant.write(folder)
        counts.write(folder, heads, wanted)


def _people(some: list[Clip]) -> list[list[Clip]]:
    """Clips by person."""
    return [list(group) for _, group in groupby(some, key=lambda clip: (clip.split, clip.person))]


def _run(tasks: list[list[Clip]], heads: Heads, folder: Path, assets: Path, key: str, jobs: int) -> Iterator[int]:
    import torch

    if jobs == 1:
        threads = torch.get_num_threads()
        try:
            _prepare(heads, assets)
            yield from (_person(task, heads, folder, key) for task in tasks)
        finally:
            torch.set_num_threads(threads)
        return
    with Workers(min(jobs, max(len(tasks), 1)), _start, heads, assets, torch.cuda.device_count()) as pool:
        futures = [pool.submit(_person, task, heads, folder, key) for task in tasks]
        try:
            yield from (future.result() for future in as_completed(futures))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


_renderer = None


def _start(heads: Heads, assets: Path, gpus: int) -> None:
    """Prepare a worker."""
    take_turns_on_gpus(gpus)
    _prepare(heads, assets)


def _prepare(heads: Heads, assets: Path) -> None:
    """Prepare this process, on one thread, always: the truth's last digits follow from their number."""
    global _renderer
    import torch

    from thedit.heads.assets import load
    from thedit.heads.renderer import Renderer

    torch.set_num_threads(1)
    _renderer = Renderer(load(assets), heads.size, "cuda" if torch.cuda.is_available() else "cpu")


def _person(task: list[Clip], heads: Heads, folder: Path, key: str) -> int:
    """Record the clips of one person; returns how many."""
    assert _renderer is not None
    record(_renderer, heads, task, folder, key)
    return len(task)
