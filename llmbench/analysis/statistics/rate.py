"""How sure a speed is, and whether one variant is faster than another.

Everything speaks of one figure, that of the table: tokens over time, stalls included, and over
seeds the geometric mean. It is held in logarithms, where a ratio of speeds is a difference.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, variance
from typing import NamedTuple

from llmbench.analysis.statistics.interval import (
    LEVEL,
    Interval,
    around,
    few_interval,
    quantile,
    student_p,
)
from llmbench.analysis.statistics.verdict import Judged, Verdict, Word
from llmbench.record.figure import generate_rate, measured_steps, train_rate
from llmbench.record.record import Record, decoded
from llmbench.record.variant import Variant

LEAST_STEPS = 6
"""With fewer measured steps, a speed has no interval."""
SURE_STEPS = 48
"""From so many on, the interval of one cell's speed holds what it says, though steps are alike."""
CELL = 0.02
"""Standard deviation of the speed between cells that are the same, as a share, where nothing but
one seed tells it. Of large models on GPUs 0.003 to 0.03 were seen."""
MOST_ALIKE = 0.95
"""The highest correlation of successive steps that is reckoned with."""
MOST_LOG = 700.0
"""A log ratio beyond which there is no number for the ratio."""
GUESSED = 10.0
"""Degrees of freedom of what cells are taken to differ by, where nothing but one seed tells it: a
guess from the steps, no better than what eleven cells would tell."""


class Sureness(NamedTuple):
    """How far the log of a rate may be off."""

    variance: float
    freedom: float
    """Degrees of freedom of the estimate of that variance."""
    reach: float = math.inf
    """The most that the log may be off, whatever the variance: steps drifted no further."""


class Timed(NamedTuple):
    """The measured steps of a cell."""

    log_rate: float
    left: tuple[float, ...]
    """By what share each step is faster than the cell: the rate's linearisation (Cochran, 1977,
    section 6.4), whose mean is zero."""
    batches: tuple[int, ...]
    """Padded tokens of each step: cells with the same ones saw the same batches."""


@dataclass(frozen=True)
class Speeds:
    """The speeds of some variants, held against each other as one family."""

    logs: Mapping[Variant, Mapping[int, float]]
    """The log of the rate of each cell by seed, of variants with enough steps."""
    sureness: Mapping[Variant, Sureness]
    """Of one cell of each variant, against one of another variant with the same seed."""
    floor: float = 0.0
    """The log ratio by which a cell differed from its own repeat: no smaller one is a difference.
    """

    def judged(self, one: Variant, other: Variant) -> Judged | None:
        """How much faster `one` is, as a share of the other's speed; None where nothing can tell.

        By Student's t over the seeds that both have. Of all pairs in the family together, one
        interval in twenty families misses: each is as wide as Šidák (1967) has it.
        """
        shared = self.logs.get(one, {}).keys() & self.logs.get(other, {}).keys()
        if not shared or one is other:
            return None
        mean = fmean(self.logs[one][s] - self.logs[other][s] for s in shared)
        error, freedom = self._error((one, other), len(shared))
        interval = around(mean, self._margin(error, freedom))
        shares = (
            math.expm1(min(v, MOST_LOG)) for v in (interval.estimate, interval.low, interval.high)
        )
        single = student_p(mean / error, freedom) if error else float(mean == 0)
        return Judged(Interval(*shares), 1 - (1 - single) ** self._pairs)

    def verdict(self, one: Variant, other: Variant) -> Verdict | None:
        """Whether `one` is faster or slower than the other, at 5 % for all pairs together."""
        judged = self.judged(one, other)
        if judged is None:
            return None
        word: Word = "undecided"
        if judged.difference.beyond_zero:
            word = "better" if judged.difference.estimate > 0 else "worse"
        return Verdict(word, judged.difference, judged.p_value)

    def slower(self, one: Variant, other: Variant) -> bool:
        """Whether it is certain that `one` is slower; where nothing is known, it is not."""
        verdict = self.verdict(one, other)
        return verdict is not None and verdict.word == "worse"

    def spread(self, variant: Variant) -> float | None:
        """By what share two variants as sure as this one must differ to be told apart; None where
        nothing can tell. Of two, the root of the mean of the squares is the margin of `judged`."""
        others = [seeds.keys() for other, seeds in self.logs.items() if other is not variant]
        least = min((len(self.logs.get(variant, {}).keys() & o) for o in others), default=0)
        if not least:
            return None
        return math.expm1(min(self._margin(*self._error((variant, variant), least)), MOST_LOG))

    @property
    def _pairs(self) -> int:
        return max(1, len(self.logs) * (len(self.logs) - 1) // 2)

    def _error(self, pair: tuple[Variant, Variant], seeds: int) -> tuple[float, float]:
        """The standard error of the mean difference over so many seeds, and its freedom."""
        one, other = (self.sureness[variant] for variant in pair)
        error, freedom = (
            math.sqrt((one.variance + other.variance) / seeds),
            min(one.freedom, other.freedom),
        )
        return min(error, (one.reach + other.reach) / self._times(freedom)), freedom

    def _margin(self, error: float, freedom: float) -> float:
        return max(self.floor, self._times(freedom) * error)

    def _times(self, freedom: float) -> float:
        """How many standard errors wide an interval is to either side."""
        return quantile(freedom, -math.expm1(math.log1p(-LEVEL) / self._pairs))


def speeds(variants: Sequence[Variant], repeats: Sequence[Record] = ()) -> Speeds:
    """Hold the speeds of the variants against each other; `repeats` are cells that were run again.

    With several seeds the cells are what is repeated, and what sets them apart beyond variant and
    seed is their noise: steps that are alike, drift, the place in the order and whatever else
    differs from cell to cell (Kalibera and Jones, 2013). It is estimated over all variants
    together, by the residuals of an additive model, and for a variant that scatters more by its
    own. With one seed nothing shows it but the steps, and what cells differ by is taken from them.
    """
    cells = {variant: timed for variant in variants if (timed := _timed_seeds(variant))}
    again = [(variant, r) for r in repeats if (variant := _repeated(r, list(cells)))]
    return family(
        cells, [(variant, r.cell.seed, t.log_rate) for variant, r in again if (t := timed_steps(r))]
    )


def family(
    cells: Mapping[Variant, Mapping[int, Timed]], extra: Sequence[tuple[Variant, int, float]] = ()
) -> Speeds:
    """The same of the cells' steps by variant and seed; `extra` has the log rates of repeats."""
    logs = {variant: {s: t.log_rate for s, t in seeds.items()} for variant, seeds in cells.items()}
    floor = max((abs(rate - logs[variant][seed]) for variant, seed, rate in extra), default=0.0)
    rows = [
        (variant, seed, rate) for variant, seeds in logs.items() for seed, rate in seeds.items()
    ]
    several = len({seed for _, seed, _ in rows}) > 1
    sure = _between_cells([*rows, *extra]) if several else None
    return Speeds(logs, sure or _within_cells(cells, floor), floor)


def paces(times: Mapping[Variant, Mapping[int, float]], floor: float = 0.0) -> Speeds | None:
    """Hold times that cells took against each other, by variant and seed, as speeds are held.

    None where nothing tells what they vary by, as with one seed.
    """
    logs = {
        v: {s: -math.log(t) for s, t in seconds.items() if t > 0} for v, seconds in times.items()
    }
    rows = [(v, seed, rate) for v, seconds in logs.items() for seed, rate in seconds.items()]
    sureness = _between_cells(rows) if len({seed for _, seed, _ in rows}) > 1 else None
    return Speeds(logs, sureness, floor) if sureness else None


def judge_speed(one: Variant, other: Variant, floor: float = 0.0) -> Judged | None:
    """How much faster `one` is, as a share of the other's speed; None where that cannot be said.

    Of two variants by themselves. `floor` is the log ratio below which nothing is a difference.
    """
    pair = speeds([one, other])
    return Speeds(pair.logs, pair.sureness, floor).judged(one, other)


def rate_interval(variant: Variant, tokens: str = "nonpadding_tokens") -> Interval | None:
    """Interval of the tokens of one kind per second: over seeds, or over the steps of one cell.

    That of one cell is rough: it knows nothing of what drifts from cell to cell, and of fewer than
    SURE_STEPS too little of how alike they are.
    """
    if len(variant.counted) > 1:
        return few_ratio_interval(variant.values(train_rate(tokens)))
    steps = timed_steps(variant.counted[0], tokens)
    return _cell_interval(steps) if steps else None


def generation_interval(variant: Variant) -> Interval | None:
    """Interval of the tokens generated per second: over seeds, or over the batches of one cell."""
    if len(variant.counted) > 1:
        return few_ratio_interval(variant.values(generate_rate))
    made = variant.counted[0].generation
    if made is None or generate_rate(variant.counted[0]) is None or len(made.batches) < LEAST_STEPS:
        return None
    return _cell_interval(_timed([(decoded(b), b.seconds) for b in made.batches]))


def few_ratio_interval(values: Sequence[float]) -> Interval | None:
    """Interval of the geometric mean of a few values, by Student's t over their logarithms."""
    if len(values) < 2 or min(values) <= 0:
        return None
    interval = few_interval([math.log(v) for v in values])
    return _exponential(interval) if interval else None


def timed_steps(record: Record, tokens: str = "nonpadding_tokens") -> Timed | None:
    """The measured steps of a cell; None where there are too few, or no speed means anything."""
    steps = measured_steps(record)
    if len(steps) < LEAST_STEPS or not train_rate(tokens)(record):
        return None
    log = _timed([(getattr(s, tokens), s.seconds) for s in steps])
    return log._replace(batches=tuple(s.padded_tokens for s in steps))


def _timed(samples: Sequence[tuple[float, float]]) -> Timed:
    tokens, seconds = (math.fsum(column) for column in zip(*samples, strict=True))
    count = len(samples)
    left = tuple(count * (t / tokens - s / seconds) for t, s in samples)
    return Timed(math.log(tokens) - math.log(seconds), left, ())


def _timed_seeds(variant: Variant) -> dict[int, Timed]:
    return {r.cell.seed: timed for r in variant.counted if (timed := timed_steps(r))}


def _repeated(record: Record, variants: Sequence[Variant]) -> Variant | None:
    """The variant with the cell that the record is a repeat of."""
    same = record.cell.model_copy(update={"id": "", "repeat": 0})
    for variant in variants:
        if any(r.cell.model_copy(update={"id": ""}) == same for r in variant.counted):
            return variant
    return None


def _between_cells(rows: Sequence[tuple[Variant, int, float]]) -> dict[Variant, Sureness] | None:
    """The variance of cells beyond variant and seed; None without degrees of freedom.

    Least squares of `variant + seed`, with as many degrees of freedom as rows beyond its rank.
    """
    import numpy as np

    variants, seeds = (list(dict.fromkeys(column)) for column in list(zip(*rows, strict=True))[:2])
    design = np.zeros((len(rows), len(variants) + len(seeds)))
    for number, (variant, seed, _) in enumerate(rows):
        design[number, [variants.index(variant), len(variants) + seeds.index(seed)]] = 1
    rates = np.array([rate for _, _, rate in rows])
    fitted, _, rank, _ = np.linalg.lstsq(design, rates, rcond=None)
    freedom = len(rows) - int(rank)
    if not freedom:
        return None
    squares = (rates - design @ fitted) ** 2
    scale = len(rows) / freedom  # of the mean of squares that the fit has made smaller
    pooled = scale * float(squares.mean())
    own = {
        variant: scale * float(squares[design[:, n] == 1].mean())
        for n, variant in enumerate(variants)
    }
    return {variant: Sureness(max(pooled, own[variant]), freedom) for variant in variants}


def _within_cells(
    cells: Mapping[Variant, Mapping[int, Timed]], floor: float
) -> dict[Variant, Sureness]:
    """What one cell of each variant may be off by, as far as its own steps tell, and CELL with it.

    What cells differ by is taken to be CELL at least, what a repeat differed by, and what single
    steps scatter by: where those do, as in a small model that waits for its host, so do cells. It
    is a guess, and has the degrees of freedom of one (Welch, 1947).

    Few steps that drift tell next to nothing of their variance, and would be as good as any speed.
    They lie where they lie, though: beyond what cells differ by, no interval goes further than the
    slowest step from the fastest.
    """
    known = max(CELL, floor / math.sqrt(2)) ** 2
    sureness = {}
    for variant, left in _paired(cells):
        steps, scatter = step_error(left), variance(left)
        between = max(known, scatter)
        whole = steps.variance + between
        unsure = steps.variance**2 / steps.freedom + between**2 / GUESSED
        reach = max(left) - min(left) + quantile(GUESSED) * math.sqrt(between)
        sureness[variant] = Sureness(whole, whole**2 / unsure, reach)
    return sureness


def _paired(cells: Mapping[Variant, Mapping[int, Timed]]) -> Iterator[tuple[Variant, list[float]]]:
    """Each variant's first cell, without what all cells share that saw the same batches.

    A long batch takes all of them long. The mean over `n` cells takes one part in `n` of each
    cell's own scatter with it, which is given back.
    """
    alike: dict[tuple[int, ...], list[tuple[Variant, Timed]]] = defaultdict(list)
    for variant, seeds in cells.items():
        first = next(iter(seeds.values()))
        alike[first.batches].append((variant, first))
    for group in alike.values():
        count = len(group)
        shared = [fmean(column) for column in zip(*(t.left for _, t in group), strict=True)]
        for variant, timed in group:
            if count == 1:
                yield variant, list(timed.left)
                continue
            back = math.sqrt(count / (count - 1))
            yield variant, [back * (a - b) for a, b in zip(timed.left, shared, strict=True)]


def step_error(left: Sequence[float]) -> Sureness:
    """Variance of the mean of successive values that are alike.

    As in an autoregressive process of first order: the correlation of neighbours, corrected for
    its bias (Kendall, 1954; Marriott and Pope, 1954), says how many values count as one (Zwiers
    and von Storch, 1995), and how much too small the variance in the sample is. It is taken half
    its standard error (Bartlett, 1946) higher, since too low a one costs more than too high a one.
    """
    count, mean = len(left), fmean(left)
    apart = [v - mean for v in left]
    squares = math.fsum(v * v for v in apart)
    if not squares:
        return Sureness(0.0, 1.0)
    raw = math.fsum(a * b for a, b in pairwise(apart)) / squares
    likely = (count * raw + 1) / (count - 4)
    likely += math.sqrt(max(0.0, 1 - likely**2) / count) / 2
    alike = min(MOST_ALIKE, max(0.0, likely))
    as_one = (1 + alike) / (1 - alike)
    as_one -= 2 * alike * (1 - alike**count) / (count * (1 - alike) ** 2)
    sample = squares / (count - 1) / max(0.05, 1 - (as_one - 1) / (count - 1))
    return Sureness(sample * as_one / count, max(1.0, count / as_one - 1))


def _cell_interval(timed: Timed) -> Interval:
    error = step_error(timed.left)
    return _exponential(around(timed.log_rate, quantile(error.freedom) * math.sqrt(error.variance)))


def _exponential(logs: Interval) -> Interval:
    return Interval(*(math.exp(min(v, MOST_LOG)) for v in (logs.estimate, logs.low, logs.high)))
