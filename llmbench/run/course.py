"""The course of a comparison: the search for learning rates, then the cells that are reported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llmbench.config import plan
from llmbench.estimate.foresight import UNSEEN, Foresight
from llmbench.record.comparison import Header, Plan, Planned
from llmbench.record.events import Stopped
from llmbench.run.cell import Bench
from llmbench.run.tuning import Tuning
from llmbench.workers import out_of_memory


@dataclass
class Course:
    """Runs what has no result yet, and keeps the plan in `comparison.json` up to date."""

    bench: Bench
    tuning: Tuning
    header: Header
    stopped: Callable[[], bool]
    """Whether the user has ended it."""
    foresight: Foresight | None = None
    """What is known of the cells' memory, once it was asked for."""

    def run(self) -> None:
        """Search for the rates, and run every cell at its own."""
        declared = self._lay_out({})
        self._write(declared)
        self.bench.listener.start(self.header.plan, self.bench.store.root)
        if self.tuning.arithmetics and not self._tune(declared):
            return
        cells = self._lay_out(self.tuning.chosen())
        self._write(cells)
        self._run(cells, cells.cells)

    def _tune(self, declared: Plan) -> bool:
        """Try rates until every arithmetic has its own; whether it went on to the end."""
        while tries := self.tuning.pending(lambda: self._foresee(declared)):
            self._write(declared)
            if not self._run(declared, tries):
                return False
        return True

    def _run(self, cells: Plan, chosen: Sequence[Planned]) -> bool:
        """Run some cells of a plan; whether others are to be run after them."""
        settled = all(map(self.bench.result, chosen))
        foresight = UNSEEN if settled else self._foresee(cells)
        for planned in map(foresight.of, chosen):
            if self.stopped():
                return False
            ran = self.bench.run(planned, foresight)
            self._note()
            if ran and ran.status == "oom" and self.bench.setup.config.on_oom == "stop":
                reason = out_of_memory.stopped(self.bench.setup.config.retry)
                self.bench.listener.event(Stopped(reason=reason))
                return False
        return not self.stopped()

    def _lay_out(self, tuned: dict[str, float]) -> Plan:
        return plan.make(self.bench.setup, self.tuning.model, self.bench.inputs.refs, tuned)

    def _write(self, cells: Plan) -> None:
        """Put the tries and the cells into the header, and tell who listens."""
        whole = Plan(cells=(*self.tuning.cells, *cells.cells), to_come=self.tuning.to_come())
        started = bool(self.header.plan.cells)
        self.header = self.header.model_copy(update={"plan": whole})
        written = self.bench.store.write_header(self.header)
        if started:
            self.bench.listener.replan(written.plan)

    def _foresee(self, cells: Plan) -> Foresight:
        """What is known of the cells' memory; notices of it go into the header."""
        if self.foresight is None:
            self.foresight = self.bench.predict(cells)
            self._note(*self.foresight.notices)
        return self.foresight

    def _note(self, *more: str) -> None:
        """Put into the header what there is to know by now, if that is more than before."""
        known = dict.fromkeys((*self.header.notices, *self.bench.notices, *more))
        if len(known) > len(self.header.notices):
            self.header = self.header.model_copy(update={"notices": tuple(known)})
            self.bench.store.write_header(self.header)
