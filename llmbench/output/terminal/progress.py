"""How far a comparison is, as every way of showing it needs it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from statistics import fmean

from llmbench.record.comparison import Plan
from llmbench.record.events import (
    Event,
    Generated,
    Interrupted,
    PhaseBegun,
    Predicting,
    Ready,
    SizeTried,
    StepTaken,
)
from llmbench.record.record import PHASES, Cell, Record
from llmbench.text import size

STARTING = "starting"
ORDER = (STARTING, *PHASES)
LONG = frozenset({"load", "train", "evaluate"})
"""Phases without which an estimate would be worth nothing; the others are over in a moment."""


class Pace:
    """Keeps the seconds of every phase that has ended, and estimates what is left."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self.taken: dict[str, list[float]] = {}
        self.waiting: dict[str, Cell] = {}
        self.over = set[str]()
        """Ids of cells that have ended, or run."""
        self.to_come = 0
        """Tries of learning rates that are not planned yet."""
        self.current: str | None = None
        self.share = 0.0
        self.running: Cell | None = None

    def start(self, plan: Plan) -> None:
        """These cells are to run."""
        cells = (p.cell for p in plan.cells if not p.skip and p.cell.id not in self.over)
        self.waiting = {cell.id: cell for cell in cells}
        self.to_come = plan.to_come

    def cell(self, cell: Cell) -> None:
        """A cell starts."""
        self._begun(cell)
        self.running, self.cell_began = cell, self.now()
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
        self._begun(record.cell)
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
        if self.current is None or self.running is None:
            return 0.0
        whole = self._expected(self.current, self.running)
        later = ORDER[ORDER.index(self.current) + 1 :]
        rest = _sum([self._expected(phase, self.running) for phase in later])
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
            _sum([self._expected(phase, cell) for phase in ORDER]) for cell in self.waiting.values()
        ]
        tried = next((c for c in (*self.waiting.values(), self.running) if c and c.tuning), None)
        if tried:
            whole = _sum([self._expected(phase, tried) for phase in ORDER])
            cells += [whole] * self.to_come
        return _sum([self.cell_left(), *cells])

    def _begun(self, cell: Cell) -> None:
        self.waiting.pop(cell.id, None)
        self.over.add(cell.id)

    def _enter(self, phase: str) -> None:
        self.current, self.phase_began, self.share = phase, self.now(), 0.0

    def _leave(self) -> None:
        if self.current and self.running and self.current not in _passed_over(self.running):
            name = _alike(self.current, self.running)
            self.taken.setdefault(name, []).append(self.phase_spent())

    def _expected(self, phase: str, cell: Cell) -> float | None:
        if phase in _passed_over(cell):
            return 0.0
        alike = _alike(phase, cell)
        if self.share > 0 and alike == self._now_in():
            return self.phase_spent() / self.share
        earlier = self.taken.get(alike) or self.taken.get(phase)
        return fmean(earlier) if earlier else None if phase in LONG else 0.0

    def _now_in(self) -> str:
        return _alike(self.current, self.running) if self.current and self.running else ""


def _passed_over(cell: Cell) -> tuple[str, ...]:
    """Phases that the cell does not have, or in which it does next to nothing."""
    if cell.fit or cell.tuning or cell.repeat:
        return "evaluate", "save"
    return () if cell.trains else ("train", "save")


def _alike(phase: str, cell: Cell) -> str:
    """The phase, set apart where it holds a search for what fits as well."""
    return f"{phase} within a budget" if cell.fit and phase == "train" else phase


def _sum(seconds: list[float | None]) -> float | None:
    known = [p for p in seconds if p is not None]
    return sum(known) if len(known) == len(seconds) else None


SMOOTHING = 0.8
"""How much of the speed shown is that of the steps before: single steps jump about."""

NAME_WIDTH = 27
"""`full+gradient-checkpointing`, with which a cell's line takes 80 columns."""


class Progress:
    """How far a comparison is: the running cell, its phase and latest figures, and what is done."""

    def __init__(self) -> None:
        self.pace = Pace()
        self.total = 0
        self.done = 0
        self.seeds = 1
        """How many seeds the results have: if several, each line names its own."""
        self.longest = 0
        """Characters of the longest composition up to a bound, so that lines stand in columns."""
        self.running: Cell | None = None
        self.phase = STARTING
        self.count: tuple[int, int] | None = None
        """Steps or examples done in this phase, and of how many."""
        self.interrupted = False
        self.predicting = False
        self.kept: Counter[str] = Counter()
        """How many cells kept a result of an earlier run that is not a good one, by status."""
        self.figures = ""
        self.speed = 0.0

    def start(self, plan: Plan) -> None:
        """The plan is made."""
        self.replan(plan)
        self.seeds = len({p.cell.seed for p in plan.cells if not p.cell.tuning})
        names = [len(p.cell.name) for p in plan.cells]
        self.longest = min(NAME_WIDTH, max(names, default=0))

    def replan(self, plan: Plan) -> None:
        """The plan has grown."""
        self.total = len(plan.cells) + plan.to_come + plan.repeats
        self.pace.start(plan)

    def cell(self, cell: Cell) -> None:
        """A cell starts."""
        self.running = cell
        self.predicting = False
        self.pace.cell(cell)
        self._enter(STARTING)

    def event(self, event: Event) -> None:
        """The worker says something."""
        match event:
            case PhaseBegun():
                self.pace.phase(event.phase)
                self._enter(event.phase)
            case StepTaken():
                self._step(event)
            case Generated():
                self._count(event.done, event.total)
            case SizeTried():
                self.figures = f"trying {event.size:,}"
            case Ready():
                self.pace.ready()
            case Predicting():
                self.predicting = True
            case Interrupted():
                self.interrupted = True

    def record(self, record: Record, kept: bool) -> None:
        """A cell has its record; `kept` if it had it before."""
        self.done += 1
        if kept and record.status not in ("ok", "skipped") and not record.cell.tuning:
            self.kept[record.status] += 1
        self.running = None
        self.pace.record(record)

    def seed(self, cell: Cell) -> str:
        """`  seed 1`, where results have several."""
        return f"  seed {cell.seed}" if self.seeds > 1 and not cell.tuning else ""

    def number(self, number: int) -> str:
        """`[ 3/12]`."""
        return f"[{number:>{len(str(self.total))}}/{self.total}]"

    def share(self) -> float:
        """How much of the running phase is done."""
        return self.count[0] / max(1, self.count[1]) if self.count else 0.0

    def _enter(self, phase: str) -> None:
        self.phase, self.count, self.figures, self.speed = phase, None, "", 0.0

    def _step(self, event: StepTaken) -> None:
        speed = event.tokens_per_second
        self.speed = SMOOTHING * (self.speed or speed) + (1 - SMOOTHING) * speed
        memory = "" if event.memory_bytes is None else f"  {size(event.memory_bytes)}"
        self.figures = f"{self.speed:,.0f} tok/s{memory}"
        self._count(event.step, event.steps)

    def _count(self, done: int, total: int) -> None:
        self.count = done, total
        self.pace.progress(self.share())
