"""The search for learning rates: cells that are run one after the other until each is bracketed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from llmbench.analysis.tuning import Search, first, search, unfinished
from llmbench.config import plan, rate
from llmbench.config.composition import Composition
from llmbench.config.rate import Rate
from llmbench.config.setup import Setup
from llmbench.estimate.foresight import Foresight
from llmbench.record.comparison import Planned
from llmbench.record.record import DataRefs, ModelRef
from llmbench.redact import records
from llmbench.storage.store import Store


@dataclass
class Tuning:
    """The search for the rates of a comparison; it goes on from the records that there are."""

    setup: Setup
    model: ModelRef
    data: DataRefs
    store: Store
    cells: list[Planned] = field(default_factory=list)
    """Every try so far, in the order in which they are run."""

    @cached_property
    def arithmetics(self) -> list[Composition]:
        """What is searched for; nothing where there is nothing to validate on."""
        return rate.to_tune(self.setup) if self.data.validation else []

    def pending(self, foresee: Callable[[], Foresight]) -> list[Planned]:
        """The tries to run next, one of each arithmetic that needs more; none at the end.

        `foresee` tells of the memory of the plan's cells; it is asked only where that matters.
        """
        rates: dict[str, Sequence[float]] = {
            name: first(declared) for name, declared in self._untried().items()
        }
        if not rates:
            searches_of = {c.id: self._search(c) for c in self.arithmetics}
            more = unfinished(searches_of, self.setup.config.tries)
            rates = {n: [r] for n in more if (r := searches_of[n].next()) is not None}
        tries = []
        for arithmetic in self.arithmetics:
            if arithmetic.id in rates:
                wanted = self._tried_with(arithmetic, foresee)
                tries += [self._planned(wanted, value) for value in rates[arithmetic.id]]
        self.cells += tries
        return tries

    def a_try(self, arithmetic: Composition) -> Planned:
        """A try of the arithmetic at the rate that is declared, to reckon with."""
        return self._planned(arithmetic, rate.declared_rate(self.setup, arithmetic))

    def to_come(self) -> int:
        """How many tries there will be at least, beyond those that are planned."""
        least = self.setup.config.tries
        tried = [sum(p.cell.arithmetic == c.id for p in self.cells) for c in self.arithmetics]
        return sum(max(0, least - count) for count in tried)

    def chosen(self) -> dict[str, float]:
        """The best rate of each arithmetic that could be searched to its end."""
        searches_done = (self._search(c) for c in self.arithmetics)
        return {s.arithmetic: s.best.rate for s in searches_done if s.best and not s.broken}

    def _untried(self) -> dict[str, float]:
        """The declared rates of arithmetics of which nothing is planned."""
        planned = {p.cell.arithmetic for p in self.cells}
        return {
            c.id: rate.declared_rate(self.setup, c) for c in self.arithmetics if c.id not in planned
        }

    def _planned(self, wanted: Composition, value: float) -> Planned:
        cell = plan.make_cell(
            self.setup,
            wanted,
            rate.seed(self.setup),
            self.model,
            self.data,
            rate=Rate(value, "tuned"),
            tuning=True,
        )
        return plan.outlined(self.setup, wanted, cell)

    def _search(self, wanted: Composition) -> Search:
        # By the cells' ids: what a record calls its arithmetic is redacted.
        ids = (p.cell.id for p in self.cells if p.cell.arithmetic == wanted.id)
        records = (self.store.record(i) for i in ids)
        return search(wanted.id, [record for record in records if record])

    def _tried_with(self, arithmetic: Composition, foresee: Callable[[], Foresight]) -> Composition:
        """What an arithmetic is tried with: itself, unless it is not planned or will not fit.

        Then the composition that shares it and is predicted to need least. What it was tried with
        before, it is tried with again.
        """
        sharing = {
            c.id: c
            for c in self.setup.compositions
            if c.trains and c.arithmetic.id == arithmetic.id
        }
        if len(sharing) == 1:
            return next(iter(sharing.values()))
        before = self.store.tried().get(records.composition(arithmetic.id))
        known = {records.composition(name): c for name, c in sharing.items()}
        if before in known:
            return known[before]
        foresight = foresee()
        peaks = {name: foresight.peak_of(name) for name in sharing}
        own = peaks.get(arithmetic.id)
        if arithmetic.id in sharing and (own is None or not foresight.beyond(own)):
            return arithmetic
        least = min(sharing, key=lambda name: (peaks[name] or 0, len(sharing[name].members)))
        return sharing[least]
