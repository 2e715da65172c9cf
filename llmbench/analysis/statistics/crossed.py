"""Means over seeds and examples together, which are crossed: every seed meets every example."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from llmbench.analysis.statistics.interval import Interval, around, quantile

ROUNDING = 1e-12
"""Share of the values' squares below which a mean square is but rounding, as of equal rows."""

Rows = Sequence[Sequence[float]]
"""A row of values per seed, a column per example, at least one of each."""


@dataclass(frozen=True)
class Crossed:
    """A mean, and the mean squares of the two-way analysis of variance.

    The model is that of crossed random effects, `mean + seed + example + rest`; what the effects
    vary by is told from the mean squares, negative estimates cut to zero (Searle, Casella and
    McCulloch, 1992, chapter 4).
    """

    mean: float
    seeds: int
    examples: int
    seed_square: float
    """Mean square between seeds: of the rest, and of the seeds' effect, the luck of training."""
    example_square: float
    """Mean square between examples: of the rest, and of the examples' effect."""
    rest: float
    """Mean square of what is left, how a seed meets an example: the variance of the rest."""

    def interval(self, level: float) -> Interval:
        """The interval that misses the mean with this chance.

        The margins over seeds and over examples, each with the quantile of its own degrees of
        freedom, are joined as the root of the sum of their squares: limits of a sum recovered
        from the limits of its parts (Zou and Donner, 2008). With few seeds this holds where a
        bootstrap over them, BCa included, is too narrow.
        """
        over_seeds = self.beyond_rest(self.seed_square)
        return around(self.mean, self._margin(level, over_seeds, self.example_square))

    def difference(self, level: float) -> Interval:
        """The same for paired differences, which errs on the side of caution.

        Much of the examples' effect is gone from them. Three seeds that lie close together by luck
        would leave nothing, were the rest taken from their mean square: it stays in. Without an
        effect of the examples this is Student's t over the means of the seeds.
        """
        return around(self.mean, self._difference_margin(level))

    def p_value(self) -> float:
        """The level at which the interval of the difference would end at zero."""
        from scipy.optimize import brentq

        least, most = 1e-12, 1 - 1e-12
        if self._difference_margin(most) >= abs(self.mean):
            return 1.0
        if self._difference_margin(least) <= abs(self.mean):
            return least
        return float(brentq(lambda p: self._difference_margin(p) - abs(self.mean), least, most))

    def _difference_margin(self, level: float) -> float:
        return self._margin(level, self.seed_square, self.beyond_rest(self.example_square))

    def _margin(self, level: float, over_seeds: float, over_examples: float) -> float:
        """The joined margin of two mean squares. One that is zero has none."""
        components = ((over_seeds, self.seeds - 1), (over_examples, self.examples - 1))
        squares = (v * quantile(n, level) ** 2 for v, n in components if v > 0 and n > 0)
        return math.sqrt(sum(squares) / (self.seeds * self.examples))

    def beyond_rest(self, square: float) -> float:
        """What a mean square has beyond that of the rest; 0 where that is but rounding."""
        excess = square - self.rest
        return excess if excess > ROUNDING * square else 0.0


def crossed(rows: Rows) -> Crossed:
    """Take the rows apart. With one seed, the rest is in the examples, and of seeds none knows."""
    import numpy as np

    scores = np.asarray(rows, dtype=float)
    seeds, examples = scores.shape
    mean = float(scores.mean())
    by_seed, by_example = scores.mean(1) - mean, scores.mean(0) - mean
    left = scores - mean - by_seed[:, None] - by_example[None, :]
    squares = (
        examples * float(by_seed @ by_seed) / max(1, seeds - 1),
        seeds * float(by_example @ by_example) / max(1, examples - 1),
        float((left**2).sum()) / max(1, (seeds - 1) * (examples - 1)),
    )
    nothing = ROUNDING * float((scores**2).sum())
    return Crossed(mean, seeds, examples, *(s if s > nothing else 0.0 for s in squares))
