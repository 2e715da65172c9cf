"""The course of a comparison with a time budget: a pilot, a plan that fits, and a race.

The pilot shows how long cells take. With that, the learning rates to try are planned, and after the
search the examples to evaluate. Then all methods are trained with one seed, and those that stay in
the race with the next, for as long as the time allows (`llmbench.analysis.race`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from llmbench.analysis import race
from llmbench.config import plan, rate
from llmbench.errors import StoreError
from llmbench.estimate.foresight import Foresight
from llmbench.record.comparison import Plan, Planned
from llmbench.record.events import Notice
from llmbench.record.record import Record
from llmbench.record.settings import Settings
from llmbench.record.timed import End, Timed
from llmbench.redact import records
from llmbench.run import budget, clock, inputs
from llmbench.run.budget import Allotment, Costs, Ran
from llmbench.run.cell import Bench
from llmbench.run.clock import Clock
from llmbench.run.course import Course
from llmbench.run.hearing import Hearing
from llmbench.storage.store import Store
from llmbench.wording import racing

REPORT_SECONDS = 3.0
"""What the report takes at the end, or a hundredth of the budget if that is more."""


def kept(store: Store, seconds: float, most_seeds: int) -> Timed:
    """What an earlier run into the directory planned and spent; a new plan where there was none."""
    fresh = anew(seconds, race.looks(most_seeds))
    try:
        before = store.read_header().timed
    except StoreError:
        return fresh
    if before is None or before.looks != fresh.looks:
        return fresh
    return before.model_copy(update={"seconds": seconds, "end": ""})


def anew(seconds: float, looks: tuple[int, ...]) -> Timed:
    """A time budget of which nothing is spent."""
    at_look, last = race.levels(looks)
    return Timed(seconds=seconds, look_level=at_look, last_level=last, looks=looks)


@dataclass
class TimedCourse(Course):
    """Runs what a time budget has room for, and writes down what it planned and what it spent."""

    clock: Clock = field(kw_only=True)
    timed: Timed = field(kw_only=True)
    hearing: Hearing = field(kw_only=True)
    ran: list[Ran] = field(default_factory=list, init=False)
    """How long cells took, those of earlier runs included."""
    pilots: list[Planned] = field(default_factory=list, init=False)
    """Cells that only show how long cells take: one, and those before it that did not end well."""
    _room: Callable[[float], bool] = field(default=lambda seconds: True, init=False)
    """Whether a cell that takes so long may begin, as the course stands."""

    def run(self) -> None:
        """Run the pilot, search for the rates, plan, and race."""
        self._room = self._ends_in_overtime
        first = self._first({})
        self._go_on(first.cells[0].cell.id)
        self._write(first)
        self.bench.listener.start(self.header.plan, self.bench.store.root)
        try:
            if self._measure(first) and self._search(first):
                self._settle()
                self._race()
        finally:
            self._save()

    def _go_on(self, first: str) -> None:
        """Go on with what an earlier run planned, unless that was for another first cell."""
        if self.timed.first and self.timed.first != first:
            self.timed = anew(self.timed.seconds, self.timed.looks)
            self.clock.before = 0.0
        self.timed = self.timed.model_copy(update={"first": first})

    # Before the race

    def _measure(self, cells: Plan) -> bool:
        """Run a pilot, where there is something to plan by it; whether to go on."""
        setup = self.bench.setup
        planned = self.tuning.arithmetics or not budget.asked(setup, "eval_examples")
        if not planned or not self.bench.inputs.evaluate:
            return True
        smaller = budget.for_pilot(setup)
        fewer = inputs.fewer(self.bench.inputs, smaller.config.settings.eval_examples)
        inputs.write(fewer, self.bench.store)
        able = {p.cell.composition for p in cells.cells if not (p.skip or p.broken)}
        for wanted in (c for c in setup.compositions if c.trains and c.id in able):
            cell = plan.make_cell(smaller, wanted, rate.seed(setup), self.bench.model, fewer.refs)
            alone = plan.pilot(plan.outlined(smaller, wanted, cell))
            self.pilots.append(alone)
            self._write(cells)
            if not self._run(cells, [alone]):
                return False
            ended = self.bench.result(alone)
            if ended and ended.status == "ok":
                self.timed = self.timed.model_copy(update={"pilot": alone.cell.id})
                break
        inputs.write(self.bench.inputs, self.bench.store)
        return True

    def _search(self, declared: Plan) -> bool:
        """Search for learning rates as far as there is room; whether to go on."""
        if not self.tuning.arithmetics:
            return True
        if self.timed.tries is None:
            self.timed = self.timed.model_copy(update={"tries": self._tries()})
        if self.timed.tries:
            setup = self.bench.setup
            self.tuning.setup = setup.planned(budget.PLANNED, tries=self.timed.tries)
            if not self._tune(declared):
                return False
        if self.timed.rates is None:
            found = self.tuning.chosen() if self.timed.tries else {}
            rates = {records.composition(name): value for name, value in found.items()}
            self.timed = self.timed.model_copy(update={"rates": rates})
        return True

    def _tries(self) -> int:
        """How many learning rates to try of each arithmetic."""
        config = self.bench.setup.config
        if budget.asked(self.bench.setup, "tries"):
            return config.tries
        each = self._together([self.tuning.a_try(c) for c in self.tuning.arithmetics])
        return budget.tries(self.clock.left, each, config.tries, bool(config.tune))

    def _tune(self, declared: Plan) -> bool:
        """Try rates until each arithmetic has its own, or the search has had its time."""
        while tries := self.tuning.pending(lambda: self._foresee(declared)):
            if not self._may_try(tries):
                del self.tuning.cells[-len(tries) :]
                break
            self._write(declared)
            if not self._try(declared, tries):
                return False
            if not all(map(self._record, tries)):
                break  # the time was over
        return True

    def _may_try(self, tries: Sequence[Planned]) -> bool:
        """Whether these tries may be run: those that have a result cost nothing any more."""
        missing = [p for p in tries if not self.bench.result(p)]
        if not missing:
            return True
        if self.timed.rates is not None:  # the search is over: its rates are in use
            return False
        of_each = [
            sum(t.cell.arithmetic == p.cell.arithmetic for t in self.tuning.cells) for p in missing
        ]
        if min(of_each) <= (self.timed.tries or 0):
            return True
        most = budget.SEARCH_SHARE * self.clock.seconds
        return self.clock.spent + self._together(missing) <= most

    def _settle(self) -> None:
        """Plan the seeds and the examples, and have all cells from here on be of that plan."""
        if self.timed.examples is None:
            cells = self._first(self._rates).cells
            self.timed = self.timed.model_copy(update=vars(self._allotment(cells)))
        setup = self.bench.setup
        if not budget.asked(setup, "eval_examples") and self.bench.inputs.evaluate:
            setup = setup.planned(budget.PLANNED, eval_examples=self.timed.examples)
            chosen = inputs.read(setup)
            inputs.write(chosen, self.bench.store)
            self.bench = replace(self.bench, setup=setup, inputs=chosen)
            configuration = setup.config.model_dump(mode="json")
            origins, warnings = setup.resolved.origins, inputs.notices(chosen)
            self.header = self.header.model_copy(
                update={"configuration": configuration, "origins": origins, "warnings": warnings}
            )
        self._stamp()
        if self.timed.pilot:
            self._tell(racing.planned(self.timed, setup.config.settings.steps))

    def _allotment(self, cells: Sequence[Planned]) -> Allotment:
        """The seeds and the examples that there is room for."""
        setup, most = self.bench.setup, self.bench.inputs.refs.evaluate.examples
        alive = [p.cell for p in cells if not (p.skip or p.broken)]
        bodies = {c.id: seconds for c in alive if (seconds := self._costs.body(c)) is not None}
        each, trained = self._costs.per_example(), [c.id for c in alive if c.trains]
        if each is None or not bodies:
            usual = Settings().eval_examples
            own = setup.config.settings.eval_examples
            return Allotment(1, own if budget.asked(setup, "eval_examples") else min(most, usual))
        least = most if budget.asked(setup, "eval_examples") else budget.LEAST_EXAMPLES
        return budget.allot(
            (self.clock.left - self._reserve(cells)) * setup.config.jobs,
            [bodies[name] for name in trained if name in bodies],
            sum(seconds for name, seconds in bodies.items() if name not in trained),
            each,
            (min(least, most), most),
            len(setup.config.every_seed),
            self.timed.last_level,
        )

    # The race

    def _race(self) -> None:
        """Train those that are in the race with one seed after the other."""
        every, shown = self._lay_out(self._rates), list[Planned]()
        racing_on = {p.cell.composition for p in every.cells if p.cell.trains}
        for number, seed in enumerate(self.bench.setup.config.every_seed):
            wanted = [
                p
                for p in every.cells
                if p.cell.seed == seed
                if not p.cell.trains or p.cell.composition in racing_on
            ]
            if number and not self._begins(wanted):
                return self._end("time", every, [*shown, *filter(self._record, wanted)])
            shown += wanted
            self._write(every.model_copy(update={"cells": tuple(shown)}))
            self._room = self._ends_in_overtime if number else self._ends_in_time
            if not self._run(every, wanted):
                return None
            if not all(map(self._trained, wanted)):
                return self._end("time", every, list(filter(self._record, shown)))
            racing_on = self._still(racing_on, shown, number + 1)
            if not racing_on or self._settled(number + 1):
                return self._end("decided", every, shown)
        return self._end("seeds", every, shown)

    def _begins(self, wanted: Sequence[Planned]) -> bool:
        """Whether a round of the race has room: all of it, so that all have the same seeds."""
        missing = [p for p in wanted if not self.bench.result(p)]
        reserve = self._reserve(wanted)
        return not missing or self.clock.has_room(self._together(missing) + reserve)

    def _still(self, before: set[str], shown: Sequence[Planned], seeds: int) -> set[str]:
        """Who stays in the race after so many seeds."""
        ill = {p.cell.composition for p in shown if not self._well(p)}
        so_far = self.bench.store.read()
        out = race.out(so_far)
        left = {name for name in before - ill if records.composition(name) not in out}
        if seeds not in self.timed.looks or len(left) < 2:
            return left
        named = {records.composition(name): name for name in left}
        known = [g for g in self.timed.given_up if g.seeds == seeds]  # by an earlier run
        look = partial(race.standing, so_far, seeds)
        for given in known or race.lost(look(), named, seeds):
            if given not in self.timed.given_up:
                given_up = (*self.timed.given_up, given)
                self.timed = self.timed.model_copy(update={"given_up": given_up})
                self._save()
                self._tell(racing.given_up(given))
        lost = {g.composition for g in self.timed.given_up if g.seeds <= seeds}
        return {name for key, name in named.items() if key not in lost}

    def _settled(self, seeds: int) -> bool:
        if seeds not in self.timed.looks:
            return False
        return race.settled(race.standing(self.bench.store.read(), seeds + 1))

    def _end(self, why: End, every: Plan, shown: Sequence[Planned]) -> None:
        """Write down why the race is over, and run the fastest once more where there is time."""
        self.timed = self.timed.model_copy(update={"end": why})
        cells = every.model_copy(update={"cells": tuple(shown)})
        self._write(cells)
        if cells.repeats:
            self._room = self._ends_in_time
            self._repeat(cells)

    # Cells and their time

    def _run_one(
        self, bench: Bench, foresight: Foresight, stops: bool, anew: bool, planned: Planned
    ) -> bool:
        """Run a cell if there is time, and note how long it took."""
        before, began = None if anew else bench.result(planned), clock.now()
        late = not before and not self._room(self._together([planned]))
        if late and self._room == self._ends_in_time and not planned.cell.repeat:
            planned = planned.model_copy(update={"skip": racing.NOT_RUN})
        elif late:
            return not self.interruption.asked
        going_on = super()._run_one(bench, foresight, stops, anew, planned)
        record = bench.result(planned)
        if record and record.status == "ok":
            began = max(began, self.hearing.ready_at or began)  # what is imported is so once
            self.ran.append(Ran.of(record, None if before else clock.now() - began))
        return going_on

    def _ends_in_time(self, seconds: float) -> bool:
        return self.clock.has_room(seconds + self._reserve(()))

    def _ends_in_overtime(self, seconds: float) -> bool:
        """Of what was begun with others: as long as it would not be cut off."""
        return seconds + self._reserve(()) <= self.clock.overtime

    def _record(self, planned: Planned) -> Record | None:
        return self.bench.store.record(planned.cell.id)

    def _trained(self, planned: Planned) -> bool:
        """Whether there was time for the cell."""
        record = self._record(planned)
        return record is not None and not racing.not_run(record)

    def _well(self, planned: Planned) -> bool:
        record = self._record(planned)
        return record is not None and record.status in ("ok", "interrupted")

    def _first(self, tuned: dict[str, float]) -> Plan:
        """The cells of the first seed, laid out without the others."""
        setup = self.bench.setup
        alone = setup.planned(budget.PLANNED, seeds=setup.config.every_seed[:1])
        return plan.make(alone, self.tuning.model, self.bench.inputs.refs, tuned)

    @property
    def _rates(self) -> dict[str, float]:
        """The rates that were found, by arithmetic."""
        rates = self.timed.rates or {}
        named = {c.id: records.composition(c.id) for c in self.tuning.arithmetics}
        return {name: rates[key] for name, key in named.items() if key in rates}

    @property
    def _costs(self) -> Costs:
        return Costs(tuple(self.ran))

    def _together(self, cells: Iterable[Planned]) -> float:
        """Seconds that the cells are expected to take; nothing where nobody knows."""
        config, costs = self.bench.setup.config, self._costs
        first = config.every_seed[0]  # with which alone the untrained model is evaluated
        alive = [p.cell for p in cells if not (p.skip or p.broken)]
        known = [costs.expected(c, c.trains or c.seed == first) or 0.0 for c in alive]
        return budget.together(known, config.jobs)

    def _reserve(self, cells: Iterable[Planned]) -> float:
        """Seconds to keep for the end: the report, and one of the cells that is run once more."""
        report = max(REPORT_SECONDS, 0.01 * self.clock.seconds)
        if not self.bench.setup.repeats:
            return report
        again = [self._together([plan.once_more(p)]) for p in cells if p.cell.trains]
        return report + max(again, default=0.0)

    # What is written down

    def _write(self, cells: Plan) -> None:
        self._stamp()
        super()._write(cells.model_copy(update={"cells": (*self.pilots, *cells.cells)}))

    def _note(self, *more: str) -> None:
        super()._note(*more)
        self._save()

    def _tell(self, sentence: str) -> None:
        self.bench.listener.event(Notice(reason=sentence))

    def _save(self) -> None:
        self._stamp()
        self.bench.store.write_header(self.header)

    def _stamp(self) -> None:
        self.timed = self.timed.model_copy(update={"spent_seconds": self.clock.spent})
        self.header = self.header.model_copy(update={"timed": self.timed})
