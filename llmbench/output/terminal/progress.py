"""How far a comparison is, as every way of showing it needs it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
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
from llmbench.units import size

STARTING = "starting"
ORDER = (STARTING, *PHASES)
LONG = frozenset({"load", "train", "evaluate"})
"""Phases without which an estimate would be worth nothing; the others are over in a moment."""


@dataclass
class Running:
    """A cell that runs: since when, in which phase, and its latest figures."""

    cell: Cell
    began: float
    phase_began: float
    phase: str = STARTING
    count: tuple[int, int] | None = None
    """Steps or examples done in this phase, and of how many."""
    figures: str = ""
    speed: float = 0.0

    @property
    def share(self) -> float:
        """How much of the phase is done."""
        return self.count[0] / max(1, self.count[1]) if self.count else 0.0

    def enter(self, phase: str, now: float) -> None:
        """A phase begins."""
        self.phase, self.phase_began = phase, now
        self.count, self.figures, self.speed = None, "", 0.0


class Pace:
    """Keeps the seconds of every phase that has ended, and estimates what is left.

    What is said without naming a cell is said of the one that began last.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self.taken: dict[str, list[float]] = {}
        self.waiting: dict[str, Cell] = {}
        self.over = set[str]()
        """Ids of cells that have ended, or run."""
        self.to_come = 0
        """Tries of learning rates that are not planned yet."""
        self.running: dict[str, Running] = {}
        """The cells that run now, by their ids, the latest last."""
        self.most = Counter[bool]()
        """How many have run at once so far: of tries of learning rates (True), and of others."""

    def start(self, plan: Plan) -> None:
        """These cells are to run."""
        cells = (p.cell for p in plan.cells if not p.skip and p.cell.id not in self.over)
        self.waiting = {cell.id: cell for cell in cells}
        self.to_come = plan.to_come

    def cell(self, cell: Cell) -> None:
        """A cell starts."""
        self._begun(cell)
        self.running[cell.id] = Running(cell, self.now(), self.now())
        alike = sum(one.cell.tuning == cell.tuning for one in self.running.values())
        self.most[cell.tuning] = max(self.most[cell.tuning], alike)

    def latest(self, cell: Cell | None = None) -> Running | None:
        """The cell as it runs; without one, the one that began last; None where it does not run."""
        if cell:
            return self.running.get(cell.id)
        return next(reversed(self.running.values()), None)

    def ready(self, cell: Cell | None = None) -> None:
        """What only the first cell waits for is over: no later one has to be expected to."""
        if one := self.latest(cell):
            one.enter(STARTING, self.now())

    def phase(self, name: str, cell: Cell | None = None) -> None:
        """A phase starts, and the one before it has ended."""
        if one := self.latest(cell):
            self._leave(one)
            one.enter(name, self.now())

    def record(self, record: Record) -> float | None:
        """The cell has ended, or will not run; the seconds that it took, if it ran."""
        self._begun(record.cell)
        one = self.running.pop(record.cell.id, None)
        if one is None:
            return None
        if record.status == "ok":
            self._leave(one)
        return self.spent(one)

    def spent(self, one: Running) -> float:
        """Seconds since the cell started."""
        return self.now() - one.began

    def phase_spent(self, one: Running) -> float:
        """Seconds since its phase started."""
        return self.now() - one.phase_began

    def cell_left(self, one: Running) -> float | None:
        """Seconds that the cell will still take; None where that is not known."""
        whole = self._expected(one.phase, one.cell)
        later = ORDER[ORDER.index(one.phase) + 1 :]
        rest = _sum([self._expected(phase, one.cell) for phase in later])
        if whole is None or rest is None:
            return None
        return max(0.0, whole - self.phase_spent(one)) + rest

    def share_of_cells(self) -> float:
        """How much of the running cells' time is over, each counted as 1; 0 where none can tell."""
        return sum(map(self._share, self.running.values()))

    def left(self) -> float | None:
        """Seconds that all cells will still take; None where that is not known."""
        return _sum([self._left_of(tuning) for tuning in (True, False)])

    def _left_of(self, tuning: bool) -> float | None:
        """Seconds that the tries will still take, or all others; they run side by side alike."""
        running = [one for one in self.running.values() if one.cell.tuning == tuning]
        waiting = [cell for cell in self.waiting.values() if cell.tuning == tuning]
        cells = [self._whole(cell) for cell in waiting]
        tried = next((c for c in (*waiting, *(one.cell for one in running)) if c.tuning), None)
        cells += [self._whole(tried)] * self.to_come if tried else []
        whole = _sum([*map(self.cell_left, running), *cells])
        return None if whole is None else whole / max(1, self.most[tuning])

    def _whole(self, cell: Cell) -> float | None:
        """Seconds that a cell takes from its start to its end."""
        return _sum([self._expected(phase, cell) for phase in ORDER])

    def _share(self, one: Running) -> float:
        left, spent = self.cell_left(one), self.spent(one)
        return spent / (spent + left) if left is not None and spent else 0.0

    def _begun(self, cell: Cell) -> None:
        self.waiting.pop(cell.id, None)
        self.over.add(cell.id)

    def _leave(self, one: Running) -> None:
        if one.phase not in _passed_over(one.cell) and not one.cell.pilot:
            name = _alike(one.phase, one.cell)
            self.taken.setdefault(name, []).append(self.phase_spent(one))

    def _expected(self, phase: str, cell: Cell) -> float | None:
        if phase in _passed_over(cell):
            return 0.0
        alike = _alike(phase, cell)
        for one in self.running.values():
            if one.share > 0 and alike == _alike(one.phase, one.cell):
                return self.phase_spent(one) / one.share
        known = self.taken.get(alike) or self.taken.get(phase)
        return fmean(known) if known else None if phase in LONG else 0.0


def _passed_over(cell: Cell) -> tuple[str, ...]:
    """Phases that the cell does not have, or in which it does next to nothing."""
    if cell.fit or cell.tuning or cell.repeat:
        return "evaluate", "save"
    return () if cell.trains else ("train", "save")


def _alike(phase: str, cell: Cell) -> str:
    """The phase, set apart where it holds a search for what fits as well."""
    return f"{phase} within a budget" if cell.fit and phase == "train" else phase


def _sum(parts: list[float | None]) -> float | None:
    known = [p for p in parts if p is not None]
    return sum(known) if len(known) == len(parts) else None


SMOOTHING = 0.8
"""How much of the speed shown is that of the steps before: single steps jump about."""

NAME_WIDTH = 27
"""`full+gradient-checkpointing`, with which a cell's line takes 80 columns."""


class Progress:
    """How far a comparison is: the cells that run, and how many are done."""

    def __init__(self) -> None:
        self.pace = Pace()
        self.total = 0
        self.done = 0
        self.seeds = 1
        """How many seeds the results have: if several, each line names its own."""
        self.longest = 0
        """Characters of the longest composition up to a bound, so that lines stand in columns."""
        self.interrupted = False
        self.predicting = False
        self.kept: Counter[str] = Counter()
        """How many cells kept a result of an earlier run that is not a good one, by status."""

    def start(self, plan: Plan) -> None:
        """The plan is made."""
        self.replan(plan)
        names = [len(p.cell.name) for p in plan.cells]
        self.longest = min(NAME_WIDTH, max(names, default=0))

    def replan(self, plan: Plan) -> None:
        """The plan has grown."""
        reported = (p.cell for p in plan.cells if not (p.cell.tuning or p.cell.pilot))
        self.seeds = len({cell.seed for cell in reported})
        self.total = len(plan.cells) + plan.to_come + plan.repeats
        self.pace.start(plan)

    def cell(self, cell: Cell) -> None:
        """A cell starts."""
        self.predicting = False
        self.pace.cell(cell)

    def event(self, event: Event, cell: Cell | None = None) -> None:
        """The worker of a cell says something; of the latest, where none is named."""
        one = self.pace.latest(cell)
        match event:
            case PhaseBegun():
                self.pace.phase(event.phase, cell)
            case StepTaken() if one:
                speed = SMOOTHING * (one.speed or event.tokens_per_second)
                one.speed = speed + (1 - SMOOTHING) * event.tokens_per_second
                memory = "" if event.memory_bytes is None else f"  {size(event.memory_bytes)}"
                one.figures = f"{one.speed:,.0f} tok/s{memory}"
                one.count = event.step, event.steps
            case Generated() if one:
                one.count = event.done, event.total
            case SizeTried() if one:
                one.figures = f"trying {event.size:,}"
            case Ready():
                self.pace.ready(cell)
            case Predicting():
                self.predicting = True
            case Interrupted():
                self.interrupted = True

    def record(self, record: Record, kept: bool) -> float | None:
        """A cell has its record; `kept` if it had it before. The seconds it took, if it ran."""
        self.done += 1
        if kept and record.status not in ("ok", "skipped") and not record.cell.tuning:
            self.kept[record.status] += 1
        return self.pace.record(record)

    def seed(self, cell: Cell) -> str:
        """`  seed 1`, where results have several."""
        alone = cell.tuning or cell.pilot
        return f"  seed {cell.seed}" if self.seeds > 1 and not alone else ""

    def number(self, number: int) -> str:
        """`[ 3/12]`."""
        return f"[{number:>{len(str(self.total))}}/{self.total}]"
