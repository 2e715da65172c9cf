"""A listener: hears how a comparison goes while it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from llmbench.record.comparison import Comparison, Plan
    from llmbench.record.events import Event
    from llmbench.record.record import Cell, Record


class Listener:
    """Base class of every listener. Made in the parent as a comparison starts, told until it ends.

    It is told one thing at a time, in the order in which they happen, and the comparison waits for
    it: no clock of a cell runs in the parent. Its methods may name those of their arguments that
    they want. One that raises is told nothing more, and is named at the end; no cell suffers.
    """

    id: ClassVar[str]
    """As `llmbench list listeners` shows it."""
    summary: ClassVar[str]
    """One line for `llmbench list listeners`."""

    def start(self, plan: Plan, directory: Path) -> None:
        """The plan is made, and the output directory is there."""

    def replan(self, plan: Plan) -> None:
        """The plan has grown: what was measured decided what else is to run."""

    def cell(self, cell: Cell) -> None:
        """A cell is about to run."""

    def event(self, event: Event, cell: Cell | None) -> None:
        """Something was said: a model of `llmbench.record.events`, such as `StepTaken`.

        `cell` is the one whose worker said it; None where the comparison did.
        """

    def record(self, record: Record, kept: bool) -> None:
        """A cell has its record; `kept` if it had it before."""

    def finish(self, comparison: Comparison, directory: Path) -> None:
        """The report is written. Not called where the comparison came to no report."""
