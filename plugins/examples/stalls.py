"""A probe whose figures are columns: the longest that training stood between two of its steps."""

from __future__ import annotations

import time
from collections.abc import Callable

from llmbench import hookimpl
from llmbench.plugin.probe import Probe

LLMBENCH_HOOKS = 1


class Stalls(Probe):
    """Between steps lie validations, and whatever else keeps a cell from training."""

    id = "stalls"
    summary = "the longest time from the end of a step to the end of the next"

    def enter(self, phase: str, device: str) -> None:
        """A phase begins; on a GPU, device time would be asked for here."""
        self._ends: list[float] = []
        self._on_gpu = device != "cpu"

    def after_step(self, number: int) -> None:
        """A step has ended."""
        self._ends.append(time.perf_counter())

    def leave(self, phase: str) -> dict[str, float | int | None]:
        """None where there were no two steps, which is not the same as no time."""
        gaps = [after - before for before, after in zip(self._ends, self._ends[1:], strict=False)]
        return {"longest_gap_seconds": max(gaps, default=None), "on_gpu": int(self._on_gpu)}


@hookimpl
def register_probes(register: Callable[[type[Probe]], None]) -> None:
    """Offer `stalls`."""
    register(Stalls)
