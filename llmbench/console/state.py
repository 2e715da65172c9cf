"""How far a comparison is, as every way of showing it needs it."""

from __future__ import annotations

from llmbench.console.pace import Pace
from llmbench.format import size
from llmbench.launcher import Event
from llmbench.plan import Plan
from llmbench.record import Cell, Record


class State:
    """The running cell, its phase and its latest figures, and what is done."""

    def __init__(self) -> None:
        self.pace = Pace()
        self.total = 0
        self.done = 0
        self.longest = 0
        """Characters of the longest composition, so that lines stand in columns."""
        self.running: Cell | None = None
        self.phase = "starts"
        self.count: tuple[int, int] | None = None
        """Steps or examples done in this phase, and of how many."""
        self.figures = ""

    def start(self, plan: Plan) -> None:
        """The plan is made."""
        self.total = len(plan.cells)
        self.longest = max((len(p.cell.composition) for p in plan.cells), default=0)
        self.pace.start(plan)

    def cell(self, cell: Cell) -> None:
        """A cell starts."""
        self.running = cell
        self.pace.cell(cell)
        self._enter("starts")

    def event(self, event: Event) -> None:
        """The worker says something."""
        kind = event["event"]
        if kind == "phase":
            self.pace.phase(event["phase"])
            self._enter(event["phase"])
        elif kind == "step":
            memory = event.get("memory_bytes")
            held = f"  {size(memory)}" if memory is not None else ""
            self.figures = f"{event['tokens_per_second']:,.0f} tok/s{held}"
            self._count(event["step"], event["steps"])
        elif kind == "generate":
            self._count(event["done"], event["total"])

    def record(self, record: Record) -> None:
        """A cell has its record."""
        self.done += 1
        self.running = None
        self.pace.record(record)

    def number(self, number: int) -> str:
        """`[ 3/12]`."""
        return f"[{number:>{len(str(self.total))}}/{self.total}]"

    def share(self) -> float:
        """How much of the running phase is done."""
        return self.count[0] / max(1, self.count[1]) if self.count else 0.0

    def _enter(self, phase: str) -> None:
        self.phase, self.count, self.figures = phase, None, ""

    def _count(self, done: int, total: int) -> None:
        self.count = done, total
        self.pace.progress(self.share())
