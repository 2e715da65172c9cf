"""Intervals of a mean: by bootstrap over many values, by Student's t over few."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

RESAMPLES = 2000
LEVEL = 0.05
"""The chance that an interval misses."""
SEED = 20261122


@dataclass(frozen=True)
class Interval:
    """An estimate with the bounds of its 95 % interval."""

    estimate: float
    low: float
    high: float

    @property
    def beyond_zero(self) -> bool:
        """Whether it leaves zero out."""
        return self.low > 0 or self.high < 0


def mean_interval(values: Sequence[float]) -> Interval:
    """Interval of the mean of many values: the BCa bootstrap (Efron, 1987) by scipy."""
    import numpy as np
    from scipy.stats import bootstrap

    held = np.asarray(values, dtype=float)
    estimate = float(held.mean())
    if len(held) < 2 or np.ptp(held) == 0:
        return Interval(estimate, estimate, estimate)
    with warnings.catch_warnings(action="ignore"):  # of degenerate data, which are seen to below
        found = bootstrap(
            (held,),
            np.mean,
            vectorized=True,
            n_resamples=RESAMPLES,
            method="BCa",
            rng=np.random.default_rng(SEED),
        ).confidence_interval
    if math.isnan(found.low) or math.isnan(found.high):  # BCa has none for some degenerate data
        return Interval(estimate, estimate, estimate)
    return Interval(estimate, float(found.low), float(found.high))


def few_interval(values: Sequence[float]) -> Interval | None:
    """Interval of the mean of a few values, by Student's t; None of fewer than two.

    The bootstrap is no choice here: over three values it is far too narrow.
    """
    if len(values) < 2:
        return None
    mean, error = mean_and_error(values)
    return around(mean, quantile(len(values) - 1) * error)


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """The mean of two or more values, and its standard error."""
    mean = math.fsum(values) / len(values)
    variance = math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1)
    return mean, math.sqrt(variance / len(values))


def around(estimate: float, margin: float) -> Interval:
    """The interval that reaches so far to both sides."""
    return Interval(estimate, estimate - margin, estimate + margin)


def quantile(freedom: float, level: float = LEVEL) -> float:
    """How many standard errors an interval reaches, by Student's t with these degrees."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 1 - level / 2))


def student_p(ratio: float, freedom: float) -> float:
    """Two-sided p-value of an estimate that is so many standard errors from zero."""
    from scipy.special import stdtr

    return 2 * float(stdtr(freedom, -abs(ratio)))
