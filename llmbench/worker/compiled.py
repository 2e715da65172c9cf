"""What `torch.compile` does in a cell, whoever asked for it: counted, timed, and kept from harm."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch
from torch._dynamo import utils

from llmbench.record.record import Compiled


def so_far() -> Compiled | None:
    """Seconds, graphs and breaks until now; None where nothing was compiled. Counted by torch."""
    graphs = utils.counters["stats"]["unique_graphs"]
    if not graphs:
        return None
    breaks = sum(utils.counters["graph_break"].values())
    return Compiled(seconds=seconds(), graphs=graphs, breaks=breaks)


def seconds() -> float:
    """Seconds that this process has spent on compiling, forward and backward."""
    return float(utils.calculate_time_spent()["total_wall_time"])


def left_out() -> AbstractContextManager[None]:
    """Run compiled code as it is written, for as long as the block lasts.

    Under a dispatch mode, torch (2.13) skips a function that it is to compile, and remembers that
    for good: every later call would run as it is written, at the speed of code that never was
    compiled.
    """
    context: AbstractContextManager[None] = torch.compiler.set_stance("force_eager")
    return context
