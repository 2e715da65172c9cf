"""How far a comparison is, as every way of showing it needs it."""

from __future__ import annotations

from collections import Counter

from llmbench.console.pace import STARTING, Pace
from llmbench.estimate.foresight import PREDICTING
from llmbench.format import size
from llmbench.launcher import Event
from llmbench.plan import Plan
from llmbench.record import Cell, Record
from llmbench.run.interruption import INTERRUPT

SMOOTHING = 0.8
"""How much of the speed shown is that of the steps before: single steps jump about."""

NAME_WIDTH = 27
"""`full+gradient-checkpointing`, with which a cell's line takes 80 columns."""


class State:
    """The running cell, its phase and its latest figures, and what is done."""

    def __init__(self) -> None:
        self.pace = Pace()
        self.total = 0
        self.done = 0
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
        names = [len(p.cell.name) for p in plan.cells]
        self.longest = min(NAME_WIDTH, max(names, default=0))

    def replan(self, plan: Plan) -> None:
        """The plan has grown."""
        self.total = len(plan.cells) + plan.to_come
        self.pace.start(plan)

    def cell(self, cell: Cell) -> None:
        """A cell starts."""
        self.running = cell
        self.predicting = False
        self.pace.cell(cell)
        self._enter(STARTING)

    def event(self, event: Event) -> None:
        """The worker says something."""
        kind = event["event"]
        if kind == "phase":
            self.pace.phase(event["phase"])
            self._enter(event["phase"])
        elif kind == INTERRUPT:
            self.interrupted = True
        elif kind == "ready":
            self.pace.ready()
        elif kind == PREDICTING:
            self.predicting = True
        elif kind == "step":
            self._step(event)
        elif kind == "fit":
            self.figures = f"trying {event['size']:,}"
        elif kind == "generate":
            self._count(event["done"], event["total"])

    def record(self, record: Record, kept: bool) -> None:
        """A cell has its record; `kept` if it had it before."""
        self.done += 1
        if kept and record.status not in ("ok", "skipped") and not record.cell.tuning:
            self.kept[record.status] += 1
        self.running = None
        self.pace.record(record)

    def number(self, number: int) -> str:
        """`[ 3/12]`."""
        return f"[{number:>{len(str(self.total))}}/{self.total}]"

    def share(self) -> float:
        """How much of the running phase is done."""
        return self.count[0] / max(1, self.count[1]) if self.count else 0.0

    def _enter(self, phase: str) -> None:
        self.phase, self.count, self.figures, self.speed = phase, None, "", 0.0

    def _step(self, event: Event) -> None:
        speed = event["tokens_per_second"]
        self.speed = SMOOTHING * (self.speed or speed) + (1 - SMOOTHING) * speed
        memory = event.get("memory_bytes")
        held = "" if memory is None else f"  {size(memory)}"
        self.figures = f"{self.speed:,.0f} tok/s{held}"
        self._count(event["step"], event["steps"])

    def _count(self, done: int, total: int) -> None:
        self.count = done, total
        self.pace.progress(self.share())
