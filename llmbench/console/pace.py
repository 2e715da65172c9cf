"""How long it will take yet, from what each phase of the measured cells took."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import fmean

from llmbench.plan import Plan
from llmbench.record import PHASES, Cell, Record

STARTING = "starting"
ORDER = (STARTING, *PHASES)
LONG = frozenset({"load", "train", "evaluate"})
"""Phases without which an estimate would be worth nothing; the others are over in a moment."""


class Pace:
    """Keeps the seconds of every phase that has ended, and estimates what is left."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self.taken: dict[str, list[float]] = {}
        self.waiting: dict[str, bool] = {}
        self.current: str | None = None
        self.share = 0.0
        self.trains = True

    def start(self, plan: Plan) -> None:
        """These cells are to run."""
        self.waiting = {p.cell.id: p.cell.trains for p in plan.cells if not p.skip}

    def cell(self, cell: Cell) -> None:
        """A cell starts."""
        self.waiting.pop(cell.id, None)
        self.trains, self.cell_began = cell.trains, self.now()
        self._enter(STARTING)

    def ready(self) -> None:
        """What only the first cell waits for is over: no later one has to be expected to."""
        self._enter(STARTING)

    def phase(self, name: str) -> None:
        """A phase starts, and the one before it has ended."""
        self._leave()
        self._enter(name)

    def progress(self, share: float) -> None:
        """So much of the running phase is done, from 0 to 1."""
        self.share = share

    def record(self, record: Record) -> None:
        """The cell has ended, or will not run."""
        self.waiting.pop(record.cell.id, None)
        if record.status == "ok":
            self._leave()
        self.current = None

    def spent(self) -> float:
        """Seconds since the running cell started."""
        return self.now() - self.cell_began

    def phase_spent(self) -> float:
        """Seconds since the running phase started."""
        return self.now() - self.phase_began

    def cell_left(self) -> float | None:
        """Seconds that the running cell will take yet; None where nobody can tell."""
        if self.current is None:
            return 0.0
        whole = self._expected(self.current, self.trains)
        later = ORDER[ORDER.index(self.current) + 1 :]
        rest = _sum([self._expected(phase, self.trains) for phase in later])
        return (
            None if whole is None or rest is None else max(0.0, whole - self.phase_spent()) + rest
        )

    def share_of_cell(self) -> float:
        """How much of the running cell's time is over; 0 where nobody can tell."""
        left = self.cell_left()
        spent = 0.0 if self.current is None else self.spent()
        return spent / (spent + left) if left is not None and spent else 0.0

    def left(self) -> float | None:
        """Seconds that all cells will take yet; None where nobody can tell."""
        cells = [
            _sum([self._expected(phase, trains) for phase in ORDER])
            for trains in self.waiting.values()
        ]
        return _sum([self.cell_left(), *cells])

    def _enter(self, phase: str) -> None:
        self.current, self.phase_began, self.share = phase, self.now(), 0.0

    def _leave(self) -> None:
        # What a baseline does in the train phase says nothing of training.
        if self.current and (self.trains or self.current != "train"):
            self.taken.setdefault(self.current, []).append(self.phase_spent())

    def _expected(self, phase: str, trains: bool) -> float | None:
        if not trains and phase in ("train", "save"):
            return 0.0
        if phase == self.current and self.share > 0:
            return self.phase_spent() / self.share
        if phase in self.taken:
            return fmean(self.taken[phase])
        return None if phase in LONG else 0.0


def _sum(parts: list[float | None]) -> float | None:
    known = [p for p in parts if p is not None]
    return sum(known) if len(known) == len(parts) else None
