"""Means over seeds and examples together, which are crossed: every seed meets every example."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from llmbench.statistics.interval import Interval, around, quantile

ROUNDING = 1e-9
"""Share of all variance below which a component is but rounding, as between equal rows."""

Rows = Sequence[Sequence[float]]
"""A row of values per seed, a column per example, at least one of each."""


@dataclass(frozen=True)
class Crossed:
    """A mean, and what its variance is made of.

    The model is that of crossed random effects, `mean + seed + example + rest`, its components
    estimated from the mean squares of the two-way analysis of variance, negative ones cut to zero
    (Searle, Casella and McCulloch, 1992, chapter 4).
    """

    mean: float
    seeds: int
    examples: int
    seed_component: float
    """Variance of one seed's effect: the luck of training."""
    example_component: float
    """Variance of one example's effect."""
    rest: float
    """Variance of what is left: how a seed meets an example."""

    @property
    def seed_variance(self) -> float:
        """What the seeds add to the variance of the mean."""
        return self.seed_component / self.seeds

    @property
    def example_variance(self) -> float:
        """What the examples and the rest add to it."""
        return (self.example_component + self.rest / self.seeds) / self.examples

    def margin(self, level: float) -> float:
        """How far an interval that misses with this chance reaches to both sides.

        The margins over seeds and over examples, each with the quantile of its own degrees of
        freedom, are joined as the root of the sum of their squares: limits of a sum recovered
        from the limits of its parts (Zou and Donner, 2008). With few seeds this holds where a
        bootstrap over them, BCa included, is far too narrow, and where Satterthwaite's degrees
        of freedom fall short.
        """
        parts = ((self.seed_variance, self.seeds - 1), (self.example_variance, self.examples - 1))
        # A part without variance has no margin, whatever its degrees.
        return math.sqrt(sum(v * quantile(n, level) ** 2 for v, n in parts if v > 0 and n > 0))

    def interval(self, level: float) -> Interval:
        """The interval that misses with this chance."""
        return around(self.mean, self.margin(level))

    def p_value(self) -> float:
        """The level at which the interval would end at zero."""
        from scipy.optimize import brentq

        if self.margin(0.5) == 0:
            return 1.0 if self.mean == 0 else 0.0
        least, most = 1e-12, 1 - 1e-12
        if self.margin(least) <= abs(self.mean):
            return least
        if self.margin(most) >= abs(self.mean):
            return 1.0
        return float(brentq(lambda level: self.margin(level) - abs(self.mean), least, most))


def crossed(rows: Rows) -> Crossed:
    """Take the rows apart. With one seed, the rest is in the examples, and of seeds none knows."""
    import numpy as np

    held = np.asarray(rows, dtype=float)
    seeds, examples = held.shape
    mean = float(held.mean())
    by_seed, by_example = held.mean(1) - mean, held.mean(0) - mean
    left = held - mean - by_seed[:, None] - by_example[None, :]
    of_seeds = examples * float(by_seed @ by_seed) / max(1, seeds - 1)
    of_examples = seeds * float(by_example @ by_example) / max(1, examples - 1)
    rest = float((left**2).sum()) / max(1, (seeds - 1) * (examples - 1))
    nothing = ROUNDING * (of_seeds + of_examples + rest)
    return Crossed(
        mean=mean,
        seeds=seeds,
        examples=examples,
        seed_component=_beyond(nothing, of_seeds - rest) / examples,
        example_component=_beyond(nothing, of_examples - rest) / seeds,
        rest=_beyond(nothing, rest),
    )


def _beyond(nothing: float, value: float) -> float:
    return value if value > nothing else 0.0
