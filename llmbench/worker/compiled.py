"""What a cell makes ready to run fast, by compiling and by recording: counted and timed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import torch
from torch._dynamo import utils

from llmbench.record.record import Compiled


def so_far() -> Compiled | None:
    """Seconds, graphs and breaks until now; None where nothing was compiled, nor recorded."""
    graphs = utils.counters["stats"]["unique_graphs"]
    if not graphs and not RECORDED.times:
        return None
    breaks = sum(utils.counters["graph_break"].values())
    return Compiled(seconds=seconds(), graphs=graphs, breaks=breaks, recordings=RECORDED.times)


def seconds() -> float:
    """Seconds that this process has spent on compiling, forward and backward, and on recording."""
    return by_torch() + RECORDED.seconds


def by_torch() -> float:
    """Those on compiling, counted by torch."""
    return float(utils.calculate_time_spent()["total_wall_time"])


@dataclass
class Recordings:
    """What this process has recorded so far."""

    times: int = 0
    seconds: float = 0.0
    """Without what was compiled meanwhile."""


RECORDED = Recordings()


@contextmanager
def recording() -> Iterator[None]:
    """Time the block as one in which a step is recorded."""
    began, compiling = time.perf_counter(), by_torch()
    try:
        yield
    finally:
        spent, compiled = time.perf_counter() - began, by_torch() - compiling
        RECORDED.seconds += max(0.0, spent - compiled)


def left_out() -> AbstractContextManager[None]:
    """Run compiled code as it is written, for as long as the block lasts.

    Under a dispatch mode, torch (2.13) skips a function that it is to compile, and remembers that
    for good: every later call would run as it is written, at the speed of code that never was
    compiled.
    """
    context: AbstractContextManager[None] = torch.compiler.set_stance("force_eager")
    return context
