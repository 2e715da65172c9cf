"""Verdicts: is a paired difference better, worse, none that matters, or undecided?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from llmbench.analysis.statistics.crossed import Rows, crossed
from llmbench.analysis.statistics.interval import LEVEL, RESAMPLES, SEED, Interval, mean_interval

Word = Literal["better", "worse", "as good", "undecided"]
"""`as good` is a claim of its own: a difference is too small to matter. `undecided` is no claim."""


@dataclass(frozen=True)
class Judged:
    """A difference and how likely chance alone would make one as large."""

    difference: Interval
    p_value: float
    likely: Interval | None = None
    """Its 90 % interval, which tells a difference that is too small to matter; None where nothing
    can tell that."""

    def within(self, margin: float) -> bool:
        """Whether the difference is smaller than the margin, but for a chance of 5 %.

        Two one-sided tests of 5 % each, one for either end (Schuirmann, 1987): together they are
        the question whether the 90 % interval lies inside.
        """
        return self.likely is not None and -margin < self.likely.low <= self.likely.high < margin


@dataclass(frozen=True)
class Verdict:
    """How an arm differs from the reference, and whether that is more than chance."""

    word: Word
    difference: Interval
    """The arm's mean minus the reference's; of speeds, as a share of the reference's."""
    p_value: float
    """Corrected for the number of comparisons (Holm, 1979)."""


def judge(rows: Rows) -> Judged:
    """Judge paired differences: a row per seed, a column per example.

    With one seed by the sign-flip test and the BCa bootstrap over the examples, which say nothing
    of the luck of training: nor can they tell that two methods are equally good. With several by
    the crossed effects of both.
    """
    if len(rows) == 1:
        return Judged(mean_interval(rows[0]), sign_flip_p(rows[0]))
    found = crossed(rows)
    return Judged(found.difference(LEVEL), found.p_value(), found.difference(2 * LEVEL))


def verdicts(
    judged: Mapping[str, Judged], margin: float | None = None, sign: int = 1
) -> dict[str, Verdict]:
    """A verdict on each difference, corrected for how many there are.

    One that is smaller than the margin, if there is one, is as good, also where it is certain.
    More is better where `sign` is 1, and less where it is -1.
    """
    corrected = holm({name: j.p_value for name, j in judged.items()})
    return {name: _verdict(found, corrected[name], margin, sign) for name, found in judged.items()}


def sign_flip_p(differences: Sequence[float]) -> float:
    """Two-sided p-value of a mean of zero: how often random signs give as large a mean.

    The paired permutation test (Fisher, 1935), with the observed signs counted in.
    """
    import numpy as np

    values = np.asarray(differences)
    if not values.any():
        return 1.0
    signs = np.random.default_rng(SEED).choice((-1.0, 1.0), size=(RESAMPLES, len(values)))
    means = np.abs(signs @ values) / len(values)
    extreme = int((means >= abs(values.mean()) - 1e-12).sum())
    return (extreme + 1) / (RESAMPLES + 1)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """The p-values corrected for their number by Holm's step-down method."""
    corrected: dict[str, float] = {}
    largest = 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda n: p_values[n])):
        largest = max(largest, min(1.0, p_values[name] * (len(p_values) - rank)))
        corrected[name] = largest
    return corrected


def _verdict(found: Judged, p_value: float, margin: float | None, sign: int) -> Verdict:
    word: Word = "undecided"
    if margin is not None and found.within(margin):
        word = "as good"
    elif p_value < LEVEL and found.difference.beyond_zero:
        word = "better" if sign * found.difference.estimate > 0 else "worse"
    return Verdict(word, found.difference, p_value)
