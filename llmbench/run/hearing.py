"""Who hears how a comparison goes: the view that shows it, and the listeners of plugins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llmbench import plugin
from llmbench.errors import PluginError
from llmbench.plugin.blame import blamed, wanted
from llmbench.record.comparison import Comparison, Plan
from llmbench.record.events import Event, Listener, Ready
from llmbench.record.record import Cell, Record
from llmbench.run import clock


class Hearing:
    """Passes events to the view, then to every listener; one that fails gets no more of them."""

    def __init__(self, view: Listener) -> None:
        self.problems: list[str] = []
        """A sentence for each listener that failed."""
        self.ready_at: float | None = None
        """When what cells are forked from had imported what they need, by `llmbench.run.clock`."""
        self._view = view
        self._listeners: dict[str, Any] = {}
        for name, kind in plugin.registry().listeners.items().items():
            self._guarded(name, "starting", lambda kind=kind, name=name: self._make(name, kind))

    def start(self, plan: Plan, root: Path) -> None:
        """The plan is made and the directory is there."""
        self._view.start(plan, root)
        self._tell("start", plan=plan, directory=root)

    def replan(self, plan: Plan) -> None:
        """The plan has grown."""
        self._view.replan(plan)
        self._tell("replan", plan=plan)

    def cell(self, cell: Cell) -> None:
        """A cell is about to run."""
        self._view.cell(cell)
        self._tell("cell", cell=cell)

    def event(self, event: Event, cell: Cell | None = None) -> None:
        """Something was said."""
        if isinstance(event, Ready):
            self.ready_at = clock.now()
        self._view.event(event, cell)
        self._tell("event", event=event, cell=cell)

    def record(self, record: Record, kept: bool) -> None:
        """A cell has its record."""
        self._view.record(record, kept)
        self._tell("record", record=record, kept=kept)

    def finish(self, comparison: Comparison, directory: Path) -> None:
        """The report is written; the view is told of that by whoever shows it."""
        self._tell("finish", comparison=comparison, directory=directory)

    def _make(self, name: str, kind: Any) -> None:
        self._listeners[name] = kind()

    def _tell(self, what: str, **offered: Any) -> None:
        for name, listener in list(self._listeners.items()):
            method = getattr(listener, what)
            self._guarded(name, what, lambda method=method: method(**wanted(method, **offered)))

    def _guarded(self, name: str, doing: str, call: Any) -> None:
        try:
            with blamed("listener", name, doing):
                call()
        except PluginError as error:
            self._listeners.pop(name, None)
            self.problems.append(f"{error} It was told nothing after that.")
