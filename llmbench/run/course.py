"""The course of a comparison: the search for learning rates, then the cells that are reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from llmbench.analysis import field
from llmbench.config import plan
from llmbench.estimate.foresight import UNSEEN, Foresight
from llmbench.record.comparison import Header, Plan, Planned
from llmbench.record.events import Stopped
from llmbench.run import lanes
from llmbench.run.cell import Bench
from llmbench.run.tuning import Tuning
from llmbench.workers.signals import Interruption

FAILED = frozenset({"oom", "failed", "killed"})
"""Ends of a try that others on the same GPU may have caused: some GPUs let one process in alone."""


@dataclass
class Course:
    """The search for learning rates, then the cells that are reported: what has no result yet.

    Keeps the plan in `comparison.json` up to date.
    """

    bench: Bench
    """What every cell runs with, but for its workers and its GPU."""
    crew: lanes.Crew
    gpus: Sequence[str | None]
    """For each cell that runs at once, the GPU that it has for itself; None for all that are there.
    Tries of learning rates may share one."""
    tuning: Tuning
    header: Header
    interruption: Interruption
    foresight: Foresight | None = None
    """What is known of the cells' memory, once it was asked for."""
    crowded: bool = False
    """Whether a try failed beside others on a GPU."""

    def run(self) -> None:
        """Search for the rates, and run every cell at its own."""
        declared = self._lay_out({})
        self._write(declared)
        self.bench.listener.start(self.header.plan, self.bench.store.root)
        cells = declared
        if self.tuning.arithmetics:
            if not self._tune(declared):
                return
            cells = self._lay_out(self.tuning.chosen())
            self._write(cells)
        if self._run(cells, cells.cells) and cells.repeats:
            self._repeat(cells)

    def _repeat(self, cells: Plan) -> None:
        """Run the fastest once more, or what was run once more already."""
        so_far = self.bench.store.read()
        fastest = field.fastest(so_far)
        done = {r.cell.id for r in so_far.repeats}
        again = {p.cell.id: plan.once_more(p) for p in cells.cells}
        chosen = [p for p in again.values() if p.cell.id in done]
        if not chosen and fastest and fastest.id in again:
            chosen = [again[fastest.id]]
        self._write(cells.model_copy(update={"cells": (*cells.cells, *chosen), "repeats": 0}))
        self._run(cells, chosen)

    def _tune(self, declared: Plan) -> bool:
        """Try rates until every arithmetic has its own; whether it went on to the end."""
        while tries := self.tuning.pending(lambda: self._foresee(declared)):
            self._write(declared)
            if not self._try(declared, tries):
                return False
        return True

    def _try(self, declared: Plan, tries: Sequence[Planned]) -> bool:
        """Run tries, several on a GPU where there is room; whether others are to be run after them.

        One that fails beside others, for want of memory, say, is run again alone, and so are all
        that follow.
        """
        pending = [p for p in tries if not self.bench.result(p)]
        peaks = [self._foresee(declared).peak_bytes(p.cell) for p in pending]
        at_once = 1 if self.crowded else lanes.tries_at_once(self.bench.setup, peaks)
        if at_once == 1:
            return self._run(declared, tries)
        self._note(lanes.TRIED_AT_ONCE)
        if not self._run(declared, tries, at_once):
            return False
        ended = {p.cell.id: self.bench.store.record(p.cell.id) for p in pending}
        failed = [p for p in pending if (r := ended[p.cell.id]) and r.status in FAILED]
        self.crowded = bool(failed)
        return self._run(declared, failed, anew=True)

    def _run(
        self, cells: Plan, chosen: Sequence[Planned], at_once: int = 1, anew: bool = False
    ) -> bool:
        """Run some cells of a plan, so many on a GPU; whether others are to be run after them.

        `anew` is whether also those that have a result are run.
        """
        settled = not anew and all(map(self.bench.result, chosen))
        foresight = UNSEEN if settled else self._foresee(cells)
        gpus = [*self.gpus] * at_once
        benches = [
            replace(self.bench, workers=workers, visible_gpus=gpu)
            for workers, gpu in zip(self.crew.first(len(gpus)), gpus, strict=True)
        ]
        stops = at_once == 1 and self.bench.setup.config.on_oom == "stop"
        ways = [partial(self._run_one, bench, foresight, stops, anew) for bench in benches]
        return lanes.run(ways, map(foresight.of, chosen)) and not self.interruption.asked

    def _run_one(
        self, bench: Bench, foresight: Foresight, stops: bool, anew: bool, planned: Planned
    ) -> bool:
        """Run a cell; whether others are to be begun after it.

        `stops` is whether running out of memory ends the comparison.
        """
        if self.interruption.asked:
            return False
        ran = bench.run(planned, foresight, anew)
        with bench.turn:
            self._note()
            if ran and ran.status == "oom" and stops:
                bench.listener.event(Stopped(reason=stopped(bench.setup.config.retry)))
                return False
        return True

    def _lay_out(self, tuned: dict[str, float]) -> Plan:
        return plan.make(self.bench.setup, self.tuning.model, self.bench.inputs.refs, tuned)

    def _write(self, cells: Plan) -> None:
        """Put the tries and the cells into the header, and tell who listens."""
        whole = Plan(
            cells=(*self.tuning.cells, *cells.cells),
            to_come=self.tuning.to_come(),
            repeats=cells.repeats,
        )
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
        """Add the notices to the header that came up since it was written."""
        known = dict.fromkeys((*self.header.notices, *self.bench.notices, *more))
        if len(known) > len(self.header.notices):
            self.header = self.header.model_copy(update={"notices": tuple(known)})
            self.bench.store.write_header(self.header)


def stopped(retry: Sequence[str]) -> str:
    """The sentence when --on-oom stop ends the comparison; --retry would run the cell again."""
    again = "" if not {"oom", "all"} & set(retry) else ", and without that --retry,"
    return (
        "Stopped when memory ran out (--on-oom stop): the same command with the "
        f"same --output{again} goes on with the next one."
    )
