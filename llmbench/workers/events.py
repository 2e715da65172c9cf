"""Who is told how a comparison goes."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from llmbench.plugin.launcher import Event
from llmbench.record.comparison import Plan
from llmbench.record.record import Cell, Record


class Listener(Protocol):
    """Is told how the comparison goes; `llmbench.output.terminal.views` shows it to a person."""

    def start(self, plan: Plan, root: Path) -> None:
        """The plan is made and the directory is there."""

    def replan(self, plan: Plan) -> None:
        """The plan has grown: what was measured decided what else is to run."""

    def cell(self, cell: Cell) -> None:
        """A cell is about to run."""

    def event(self, event: Event) -> None:
        """The running cell's worker says something."""

    def record(self, record: Record, kept: bool) -> None:
        """A cell has its record; `kept` if it had it before."""
