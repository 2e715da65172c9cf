"""All differences between the variants of a comparison, judged at once.

One model for the whole page: a score is the sum of a variant's mean, what the example does, how the
variant meets the example, the luck of each training, and a rest. Every pair of variants has an
interval, and all of them together miss a truth on at most one page in twenty (Tukey, 1953).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from llmbench.analysis.statistics.interval import LEVEL, Interval, around
from llmbench.analysis.statistics.verdict import Verdict, word

BORROWED = 4
"""Degrees of freedom of a variant's luck, in multiples of its own, that the page may lend at most.

Trainings of the other variants say how large luck is. Were all of them counted, one variant whose
luck is several times the others' would be told apart too often; its own seeds alone are too few to
tell anything. Three times as much again holds both: docs/figures.md, section 10.
"""
ROUNDING = 1e-12
"""Share of two variants' squares below which that of their difference is but rounding."""
POWER = 0.8
"""The power: the chance of finding a difference that exists."""
MOST_SEEDS = 50
"""More seeds than anybody would train."""

Rows = Mapping[int, Any]
"""By seed, a variant's scores: a numpy vector of the examples, the same ones in every row."""


@dataclass(frozen=True, eq=False)
class Differences:
    """The differences of all pairs. Matrices are variants x variants, in the order of `index`."""

    index: Mapping[str, int]
    """By a variant's name, its row in the matrices."""
    means: Any
    """The row's mean minus the column's, over the seeds and examples that both have; numpy."""
    luck: Any
    """Variance of the difference from seed to seed, of one seed; not a number with one seed."""
    meeting: Any
    """Variance of the difference over examples that more seeds would not lower, of its mean."""
    seeds: Any
    """How many seeds both have."""
    examples: int
    freedom: int
    """Degrees of freedom of the luck of all variants together."""
    distinct: int
    """Variants that do not score the same on every example: equal ones are compared once."""
    level: float = LEVEL
    """The chance that any interval misses; less than LEVEL where a page is looked at again and
    again, see `llmbench.analysis.race`."""

    def interval(self, one: str, other: str, level: float | None = None) -> Interval | None:
        """The interval of `one` minus `other`; all intervals of one level hold together.

        None without a seed in common. With one it is over the examples alone, and holds for these
        very trainings only.
        """
        at = self.index[one], self.index[other]
        margin = self._margin(at, level or self.level)
        return None if margin is None else around(float(self.means[at]), margin)

    def verdict(
        self, one: str, other: str, margin: float | None = None, sign: int = 1
    ) -> Verdict | None:
        """Whether `one` is better or worse than `other`, as good within the margin, or undecided.

        As good is where the interval of twice the level lies within the margin: two one-sided tests
        (Schuirmann, 1987), each for all pairs together. One seed in common decides nothing.
        More is better where `sign` is 1, and less where it is -1.
        """
        interval = self.interval(one, other)
        if interval is None:
            return None
        if self.shared(one, other) < 2:
            return Verdict("undecided", interval)
        likely = self.interval(one, other, 2 * self.level)
        return Verdict(word(interval, likely, margin, sign), interval)

    def shared(self, one: str, other: str) -> int:
        """How many seeds both have."""
        return int(self.seeds[self.index[one], self.index[other]])

    def detectable(self, one: str, other: str) -> float | None:
        """The difference that is found with power 80 %; None with one seed in common."""
        at = self.index[one], self.index[other]
        return self._detectable(at, int(self.seeds[at])) if self.seeds[at] > 1 else None

    def seeds_for(self, one: str, other: str, difference: float) -> int | None:
        """How many seeds would tell a difference of this size; None where no sensible number."""
        at = self.index[one], self.index[other]
        if self.seeds[at] < 2:
            return None
        counts = range(int(self.seeds[at]), MOST_SEEDS + 1)
        return next((n for n in counts if self._detectable(at, n) <= difference), None)

    @cached_property
    def shrinkage(self) -> float | None:
        """The share of what is between the variants that is more than chance; None with one seed.

        The best of many owes its place to luck as well, and is better expected at this share of
        its distance from their mean (the estimator of James and Stein, 1961, by moments).
        """
        import numpy as np

        pairs = np.triu(self.seeds > 1, 1)
        if not pairs.any():
            return None
        seen = float((self.means[pairs] ** 2).mean())
        chance = float((self.luck / np.maximum(self.seeds, 1) + self.meeting)[pairs].mean())
        return max(0.0, 1 - chance / seen) if seen else 0.0

    def _margin(self, at: tuple[int, int], level: float) -> float | None:
        """The parts of the error, each with the quantile of its own degrees of freedom, joined as
        the root of the sum of their squares (Zou and Donner, 2008)."""
        seeds = int(self.seeds[at])
        if not seeds:
            return None
        square = quantile(level, self.distinct, self.examples - 1) ** 2 * float(self.meeting[at])
        if seeds > 1 and self.luck[at]:
            reach = quantile(level, self.distinct, self._borrowing(seeds))
            square += reach**2 * float(self.luck[at]) / seeds
        return math.sqrt(square)

    def _borrowing(self, seeds: int) -> int:
        return max(seeds - 1, min(self.freedom, BORROWED * (seeds - 1)))

    def _detectable(self, at: tuple[int, int], seeds: int) -> float:
        """The difference that so many seeds would tell; their luck as well known as here."""
        from scipy.special import stdtrit

        luck, meeting = float(self.luck[at]) / seeds, float(self.meeting[at])
        others = self.freedom / (int(self.seeds[at]) - 1)
        freedom = (seeds - 1) * max(1.0, min(BORROWED, others))
        reach = roughly(self.level, self.distinct, freedom)
        far = roughly(self.level, self.distinct, self.examples - 1)
        margin = math.sqrt(reach**2 * luck + far**2 * meeting)
        return margin + float(stdtrit(freedom, POWER)) * math.sqrt(luck + meeting)


def differences(variants: Mapping[str, Rows], level: float = LEVEL) -> Differences:
    """Work out every pair of variants. They need at least two examples, the same for all."""
    import numpy as np

    names = list(variants)
    seeds = [frozenset(variants[name]) for name in names]
    count = len(names)
    means, squares, rests = (np.full((count, count), np.nan) for _ in range(3))
    between, shared = np.full((count, count), np.nan), np.zeros((count, count), dtype=int)
    kinds = list(dict.fromkeys(seeds))
    kind = np.array([kinds.index(s) for s in seeds])
    for common in {a & b for a in kinds for b in kinds} - {frozenset()}:
        sharing = np.array([i for i in range(count) if common <= seeds[i]])
        scores = np.array(
            [[variants[names[i]][s] for s in sorted(common)] for i in sharing], dtype=float
        )
        meet = np.array([[a & b == common for b in kinds] for a in kinds])
        exact = meet[np.ix_(kind[sharing], kind[sharing])]
        rows, columns = (sharing[at] for at in np.nonzero(exact))
        shared[rows, columns] = len(common)
        for matrix, values in zip((means, squares, between, rests), _squares(scores), strict=True):
            matrix[rows, columns] = values[exact]
    alike = _alike(variants)
    luck, freedom = _luck(between, shared, alike)
    luck[(squares == 0) & (between == 0) & (rests == 0) & (means == 0)] = 0.0
    examples = len(next(iter(variants[names[0]].values())))
    rest = np.where(shared > 1, rests, 0.0)
    return Differences(
        index={name: number for number, name in enumerate(names)},
        means=means,
        luck=np.where(shared > 1, luck, np.nan),
        meeting=np.maximum(squares - rest / np.maximum(shared, 1), 0.0) / examples,
        seeds=shared,
        examples=examples,
        freedom=freedom,
        distinct=len(set(alike)),
        level=level,
    )


def _squares(scores: Any) -> tuple[Any, Any, Any, Any]:
    """For each pair in variants x seeds x examples: the difference of their means, its variance
    over examples, over seeds, and what is left once both are taken out."""
    import numpy as np

    _, seeds, examples = scores.shape
    mean = scores.mean((1, 2))
    by_example, by_seed = scores.mean(1) - mean[:, None], scores.mean(2) - mean[:, None]
    left = scores - mean[:, None, None] - by_example[:, None, :] - by_seed[:, :, None]

    def variance(values: Any, freedom: int) -> Any:
        flat = values.reshape(len(values), -1)
        products = flat @ flat.T / max(1, freedom)
        own = np.diag(products)
        spread = own[:, None] + own[None, :] - 2 * products
        return np.where(spread > ROUNDING * (own[:, None] + own[None, :]), spread, 0.0)

    return (
        mean[:, None] - mean[None, :],
        variance(by_example, examples - 1),
        variance(by_seed, seeds - 1),
        variance(left, (seeds - 1) * (examples - 1)),
    )


def _luck(between: Any, shared: Any, alike: list[int]) -> tuple[Any, int]:
    """Variance of each difference from seed to seed, and the degrees of freedom of all together.

    A variant's own luck is told from its differences to all others (Grubbs, 1948; Shukla, 1972). It
    is taken to be that, or the mean of all, whichever is larger: a variant that is less steady than
    the others shows it in its own seeds, and one that seems steadier may only have been lucky.
    `alike` has for each variant the place of the first that is equal, and only those are counted.
    """
    import numpy as np

    unlike = sorted(set(alike))
    known = shared[np.ix_(unlike, unlike)] > 1
    np.fill_diagonal(known, val=False)
    if not known.any():
        return np.zeros(between.shape), 0
    table = np.where(known, between[np.ix_(unlike, unlike)], 0.0)
    worth = np.where(known, shared[np.ix_(unlike, unlike)] - 1, 0)
    usual = float((table * worth).sum() / worth.sum()) / 2
    degrees = known.astype(float)
    sums = degrees + np.diag(known.sum(1) + ROUNDING)  # of two variants, each has half
    own = np.linalg.solve(sums, table.sum(1))
    luck = np.maximum(own, usual)[np.searchsorted(unlike, alike)]
    seen = [i for i in range(len(unlike)) if known[i].any()]
    counts = [int(shared[unlike[i], unlike[i]]) for i in seen]
    return luck[:, None] + luck[None, :], sum(counts) - len(counts) - max(counts) + 1


def _alike(variants: Mapping[str, Rows]) -> list[int]:
    """For each variant the index of the first with equal scores on all examples of all seeds."""
    seen: dict[object, int] = {}
    return [
        seen.setdefault(tuple((s, rows[s].tobytes()) for s in sorted(rows)), number)
        for number, rows in enumerate(variants.values())
    ]


@lru_cache(maxsize=256)
def quantile(level: float, variants: int, freedom: int) -> float:
    """How many standard errors an interval reaches, so that those of all pairs hold together.

    Tukey's studentised range, for differences; with two variants it is Student's t.
    """
    from scipy.optimize import brentq
    from scipy.special import stdtrit
    from scipy.stats import studentized_range

    least = float(stdtrit(freedom, 1 - level / 2))
    if variants < 3:
        return least
    most = roughly(level, variants, freedom)

    def missing(reach: float) -> float:
        return float(studentized_range.sf(reach * math.sqrt(2), variants, freedom)) - level

    return float(brentq(missing, least, most, xtol=1e-4))


def roughly(level: float, variants: int, freedom: float) -> float:
    """The same by Sidak's bound (1967), which is a little larger and quickly found."""
    from scipy.special import stdtrit

    pairs = max(1, math.comb(variants, 2))
    return float(stdtrit(freedom, (1 + (1 - level) ** (1 / pairs)) / 2))


@dataclass(frozen=True)
class Need:
    """The power of a comparison for one pair of its variants."""

    seeds: int
    """How many both have; at least two."""
    examples: int
    detectable: float
    """The difference that is found here with power 80 %."""
    difference: float
    """The difference to find: what was measured, or the margin if that is more."""
    wanted: int | None
    """Seeds in all that would tell it with that chance; None where no sensible number would."""

    @property
    def met(self) -> bool:
        """Whether these seeds and examples have the power to find it."""
        return self.wanted == self.seeds


def need(differences: Differences, one: str, other: str, margin: float) -> Need | None:
    """What it takes to tell two variants apart, at the luck and the examples that were seen.

    None with fewer than two seeds in common, which say nothing of the luck of training. A
    difference is told with power 80 % where it is the interval's reach and 0.84 standard errors
    (Cohen, 1988, chapter 2).
    """
    detectable = differences.detectable(one, other)
    if detectable is None:
        return None
    seen = abs(float(differences.means[differences.index[one], differences.index[other]]))
    difference = max(seen, margin)
    wanted = differences.seeds_for(one, other, difference)
    return Need(
        differences.shared(one, other), differences.examples, detectable, difference, wanted
    )
