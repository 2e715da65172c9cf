"""Processes that share the work of one that has imported what all of it needs."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed

from llmbench.process import end_with_parent

_work: Callable[[int], str] | None = None
"""What the forked processes do; they have it by being forked."""


def each(count: int, processes: int, work: Callable[[int], str]) -> Iterator[tuple[int, str]]:
    """The numbers below `count`, each with what `work` makes of it, as it comes.

    By so many processes, each of which takes the next number when it is done with one; by this one
    alone where processes cannot be forked.
    """
    if min(count, processes) < 2 or not hasattr(os, "fork"):
        for number in range(count):
            yield number, work(number)
        return
    global _work
    _work = work
    context = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(processes, context, initializer=end_with_parent)
    try:
        numbers = {pool.submit(_do, number): number for number in range(count)}
        for done in as_completed(numbers):
            yield numbers[done], done.result()
    except BaseException:
        for child in multiprocessing.active_children():
            child.kill()
        raise
    finally:
        pool.shutdown()
        _work = None


def _do(number: int) -> str:
    assert _work
    return _work(number)
