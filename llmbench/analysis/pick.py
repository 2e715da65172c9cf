"""Which one to pick: quality first, then the fastest to it; memory is a limit and not a goal.

A pure function of plain data. The page's own script, `report.js`, has the same rule for what its
reader wishes, and `tests/picks.json` the cases on which both must agree.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

SAME = 0.05
"""A share by which efforts may differ and count as equal, or by their spread if that is more."""
LESS = 0.1
"""A share by which something must need less memory than the pick to be worth a word."""

Matter = Literal["quality", "memory", "speed"]
By = Literal["time", "speed", ""]
"""What effort is counted in: the time to quality, or else the time per token."""
Measured = tuple[float, float | None]
"""A figure, and by what share two of them must differ to count as different; None where nobody
knows, and so nothing does."""


@dataclass(frozen=True)
class Candidate:
    """One that can be picked."""

    name: str
    quality: float | None
    """More is better, of a metric of which less is with the sign changed; None where quality was
    not measured."""
    memory: float
    speed: Measured | None = None
    """Tokens per second."""
    time: Measured | None = None
    """Seconds of training until quality was reached."""
    tied: tuple[int, ...] | None = None
    """The places of those that would be as good or undecided if this one were the best; None where
    nobody worked that out."""

    def effort(self, by: By) -> Measured | None:
        """Seconds to quality, or per token; None where that was not measured."""
        if by == "speed" and self.speed:
            return 1 / self.speed[0], self.speed[1]
        return self.time if by == "time" else None


@dataclass(frozen=True)
class Wish:
    """What is wanted."""

    matters: Matter = "quality"
    memory: float | None = None
    """At most."""
    quality: float | None = None
    """At least."""

    def allows(self, cell: Candidate) -> bool:
        """Whether the candidate keeps within the limits."""
        small = self.memory is None or cell.memory <= self.memory
        return small and (self.quality is None or _merit(cell) >= self.quality)


@dataclass(frozen=True)
class Choice:
    """What to take, by places in the list of candidates."""

    pick: int | None = None
    """None where nothing fits."""
    best: int | None = None
    """The highest quality of those that fit, where quality matters."""
    level: tuple[int, ...] = ()
    """Those that fit and are as good as the best or undecided, itself included."""
    equal: tuple[int, ...] = ()
    """Of these, those that are as fast as the fastest, itself included."""
    by: By = ""
    tight: int | None = None
    """What to take where memory is tight: clearly less than the pick's, if there is such a one.
    Where nothing fits, the least of all."""
    longer: float | None = None
    """How many times the pick's effort that one takes."""


def choose(cells: Sequence[Candidate], wish: Wish) -> Choice:
    """Pick one.

    Of those that fit, the best and all that are as good or undecided are level. Of these the one
    with the least effort is taken, and the least memory among equals in effort. Effort is the time
    to quality where all that are level have one, else the time per token.
    """
    fit = [i for i, cell in enumerate(cells) if wish.allows(cell)]
    if not fit:
        return Choice(tight=_smallest(cells, range(len(cells))) if cells else None)
    if wish.matters == "memory":
        return Choice(_smallest(cells, fit))
    if wish.matters == "speed":
        return _fastest(cells, fit)
    best = max(fit, key=lambda i: _merit(cells[i]))
    level = tuple(i for i in fit if i == best or i in (cells[best].tied or ()))
    by = _measure(cells, level)
    equal = _equal(cells, level, by)
    pick = _smallest(cells, equal or level)
    tight = _smallest(cells, level)
    if tight == pick or cells[tight].memory > (1 - LESS) * cells[pick].memory:
        return Choice(pick, best, level, equal, by)
    return Choice(pick, best, level, equal, by, tight, _ratio(cells[tight], cells[pick], by))


def _merit(cell: Candidate) -> float:
    return -math.inf if cell.quality is None else cell.quality


def _fastest(cells: Sequence[Candidate], fit: Sequence[int]) -> Choice:
    """Who asks for speed gets the fastest as measured: a spread can hide that a cell is slow."""
    equal = _equal(cells, fit, "speed")
    if not equal:
        return Choice(_smallest(cells, fit))
    return Choice(_first(cells, equal, "speed"), equal=equal, by="speed")


def _measure(cells: Sequence[Candidate], level: Sequence[int]) -> By:
    if all(cells[i].time for i in level):
        return "time"
    return "speed" if any(cells[i].speed for i in level) else ""


def _equal(cells: Sequence[Candidate], level: Sequence[int], by: By) -> tuple[int, ...]:
    """Those whose effort exceeds the least by no more than chance, or than what matters."""
    known = [i for i in level if cells[i].effort(by)]
    if not known:
        return ()
    first = _first(cells, known, by)
    return tuple(i for i in known if i == first or _no_slower(cells[i], cells[first], by))


def _first(cells: Sequence[Candidate], indices: Iterable[int], by: By) -> int:
    """The least effort."""
    return min(indices, key=lambda i: cells[i].effort(by) or (0.0, 0.0))


def _no_slower(one: Candidate, first: Candidate, by: By) -> bool:
    (own, spread), (least, other) = (c.effort(by) or (0.0, 0.0) for c in (one, first))
    if spread is None or other is None:
        return True
    return own - least < max(SAME, math.sqrt((spread**2 + other**2) / 2)) * least


def _ratio(one: Candidate, other: Candidate, by: By) -> float | None:
    """How many times the other's effort one takes."""
    own, least = one.effort(by), other.effort(by)
    return own[0] / least[0] if own and least and least[0] else None


def _smallest(cells: Sequence[Candidate], indices: Iterable[int]) -> int:
    """The least memory; of equals the fastest."""

    def key(index: int) -> tuple[float, float]:
        speed = cells[index].speed
        return cells[index].memory, -speed[0] if speed else 0.0

    return min(indices, key=key)
