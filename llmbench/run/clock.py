"""The clock of a time budget."""

from __future__ import annotations

import time
from dataclasses import dataclass

SLACK = 0.05
"""By what share of the budget cells may be expected to end late and are begun all the same."""
OVERTIME = 0.07
"""After what share of the budget beyond it a cell that still runs is cut off: with the time that it
has then to write its record, a comparison ends within a tenth of its budget."""


def now() -> float:
    """Seconds on a clock that only goes forward."""
    return time.monotonic()


@dataclass
class Clock:
    """How much of a time budget is spent, by this run and those before it."""

    seconds: float
    """The budget."""
    began: float
    """When this run began, by `now`."""
    before: float = 0.0
    """Seconds that earlier runs spent."""

    @property
    def spent(self) -> float:
        """Seconds spent so far."""
        return self.before + now() - self.began

    @property
    def left(self) -> float:
        """Seconds of the budget that are left; below zero once it is over."""
        return self.seconds - self.spent

    @property
    def overtime(self) -> float:
        """Seconds until whatever runs is cut off; below zero after that."""
        return self.left + OVERTIME * self.seconds

    def has_room(self, seconds: float) -> bool:
        """Whether what takes so long may begin."""
        return seconds <= self.left + SLACK * self.seconds
