"""The listener `placeholder` for llmbench."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from llmbench import hookimpl
from llmbench.plugin.listener import Listener
from llmbench.record.comparison import Comparison, Plan
from llmbench.record.events import Event, StepTaken
from llmbench.record.record import Cell

LLMBENCH_HOOKS = 1


class PlaceholderListener(Listener):
    """Writes each step's loss as it is taken. Put your tracker in place of it."""

    id = "placeholder"
    summary = "every step's loss, in a file that grows"

    def start(self, plan: Plan, directory: Path) -> None:
        """Open what is written to; a comparison that goes on adds to it."""
        self.file = (directory / "placeholder.tsv").open("a", encoding="utf-8")

    def event(self, event: Event, cell: Cell | None) -> None:
        """Match on the models of `llmbench.record.events`."""
        if cell and isinstance(event, StepTaken):
            self.file.write(f"{cell.id}\t{event.step}\t{event.loss}\n")
            self.file.flush()

    def finish(self, comparison: Comparison, directory: Path) -> None:
        """The report is written, and nothing more is said."""
        self.file.close()


@hookimpl
def register_listeners(register: Callable[[type[Listener]], None]) -> None:
    """Offer `placeholder`."""
    register(PlaceholderListener)
