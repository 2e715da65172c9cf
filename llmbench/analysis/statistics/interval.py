"""Intervals of a mean, by Student's t."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.05
"""The chance that an interval misses."""


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
