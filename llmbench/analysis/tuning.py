"""The search for each arithmetic's best learning rate: what was tried, what to try next.

An arithmetic is a composition without the parts that change memory or kernels alone: what trains
with the same numbers shares the rate. Rates lie on a logarithmic grid around the declared one, and
the best is that of the lowest validation loss. It is bracketed if a lower and a higher rate were
tried: until then the grid grows on that side (Bergstra and Bengio, 2012, on why a grid in the
logarithm; Dodge et al., 2019, on saying how much was tried). Every arithmetic gets as many tries.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from llmbench.record.record import Cell, Record

RATIO = math.sqrt(10)
"""Between neighbouring rates of the grid."""
MOST_TRIES = 9
"""After so many tries the search ends, bracketed or not."""


@dataclass(frozen=True)
class Try:
    """A learning rate that was tried; its loss is None where it diverged or did not end well."""

    rate: float
    loss: float | None
    record: Record

    @property
    def broken(self) -> bool:
        """Whether it ended for a reason that says nothing of the rate."""
        return self.record.status not in ("ok", "diverged")


@dataclass(frozen=True)
class Search:
    """All tries of one arithmetic, the lowest rate first."""

    arithmetic: str
    tries: tuple[Try, ...]

    @property
    def best(self) -> Try | None:
        """The try with the lowest validation loss, of equals the lower rate."""
        known = [t for t in self.tries if t.loss is not None]
        return min(known, key=lambda t: t.loss or 0.0, default=None)

    @property
    def bracketed(self) -> bool:
        """Whether a lower and a higher rate than the best were tried; one that diverged counts."""
        return self.best is not None and self.best not in (self.tries[0], self.tries[-1])

    @property
    def broken(self) -> Try | None:
        """A try that failed or ran out of memory, as every other rate would."""
        return next((t for t in self.tries if t.broken), None)

    def next(self) -> float | None:
        """The rate to try next: beyond the edge that the best is on, else between its neighbours.

        None where the search cannot go on. Without any finite loss, a lower rate than all.
        """
        if self.broken or not self.tries or len(self.tries) >= MOST_TRIES:
            return None
        best = self.best
        if best is None or best is self.tries[0]:
            return neat(self.tries[0].rate / RATIO)
        if best is self.tries[-1]:
            return neat(self.tries[-1].rate * RATIO)
        index = self.tries.index(best)
        beside = (self.tries[index - 1], self.tries[index + 1])
        # The wider gap; of equal ones, that on the side where the loss is lower.
        wider = max(beside, key=lambda t: (round(2 * _gap(t, best)), -(t.loss or math.inf)))
        return neat(math.sqrt(wider.rate * best.rate))


def first(declared: float) -> list[float]:
    """What is tried before anything is known."""
    return [neat(declared / RATIO), declared, neat(declared * RATIO)]


def neat(rate: float) -> float:
    """The rate in two significant digits, as people write it."""
    return float(f"{rate:.1e}")


def _gap(one: Try, other: Try) -> float:
    return abs(math.log(one.rate / other.rate))


def search(arithmetic: str, records: Iterable[Record]) -> Search:
    """The search that one arithmetic's tuning cells make."""
    tries = [Try(r.cell.settings.learning_rate, tuned_loss(r), r) for r in records]
    return Search(arithmetic, tuple(sorted(tries, key=lambda t: t.rate)))


def searches(records: Sequence[Record]) -> dict[str, Search]:
    """Every search among the records, by its arithmetic."""
    by_arithmetic: dict[str, list[Record]] = {}
    for record in records:
        if record.cell.tuning:
            by_arithmetic.setdefault(record.cell.arithmetic, []).append(record)
    return {name: search(name, tries) for name, tries in by_arithmetic.items()}


def tuned_loss(record: Record) -> float | None:
    """The validation loss at the end of training; None where it did not get there."""
    if record.status != "ok" or not record.validation:
        return None
    return record.validation[-1].loss


def unfinished(searches: Mapping[str, Search], least: int) -> list[str]:
    """The arithmetics that get one more try: all of them, until each is bracketed or given up.

    All are given as many tries as the one that needs most, and `least` at least.
    """
    able = {name: s for name, s in searches.items() if not s.broken}
    wanted = max([least, *(len(s.tries) + (not s.bracketed) for s in able.values())], default=least)
    wanted = min(wanted, MOST_TRIES)
    return [name for name, s in able.items() if len(s.tries) < wanted and s.next() is not None]


def tuned(cell: Cell) -> bool:
    """Whether the cell's learning rate was searched for, here or by who offers its model."""
    return cell.rate in ("tuned", "model")
