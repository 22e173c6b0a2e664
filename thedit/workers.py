"""Pools of worker processes whose errors arrive as they were raised, in the first task at the latest."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any

from thedit.processes import die_with_parent

_failed: BaseException | None = None


class Workers(ProcessPoolExecutor):
    """``jobs`` spawned processes that end with this one; each calls ``start`` with ``arguments`` before its first task.

    What ``start`` raises is raised again by every task of that process; a plain pool would only call itself broken.
    """

    def __init__(self, jobs: int, start: Callable[..., object] | None = None, *arguments: Any) -> None:
        # Spawned, not forked: warp's and torch's threads don't survive a fork.
        super().__init__(jobs, multiprocessing.get_context("spawn"), _begin, (start, arguments))

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future:
        """As `ProcessPoolExecutor.submit`."""
        return super().submit(_do, function, arguments, options)


def _begin(start: Callable[..., object] | None, arguments: tuple) -> None:
    global _failed
    die_with_parent()
    try:
        if start is not None:
            start(*arguments)
    except Exception as error:
        _failed = error


def _do(function: Callable[..., Any], arguments: tuple, options: dict[str, Any]) -> Any:
    if _failed is not None:
        raise _failed
    return function(*arguments, **options)
