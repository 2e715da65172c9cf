"""Verdicts: is a paired difference better, worse, none that matters, or undecided?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from llmbench.analysis.statistics.crossed import Rows, crossed
from llmbench.analysis.statistics.interval import LEVEL, Interval

Word = Literal["better", "worse", "as good", "undecided"]
"""`as good` is a claim of its own: a difference is too small to matter. `undecided` is no claim."""


@dataclass(frozen=True)
class Judged:
    """A difference and how likely chance alone would make one as large."""

    difference: Interval
    p_value: float


@dataclass(frozen=True)
class Verdict:
    """How a variant differs from the reference, and whether that is more than chance."""

    word: Word
    difference: Interval
    """The variant's mean minus the reference's; of speeds, as a share of the reference's."""
    p_value: float | None = None
    """Corrected for the number of comparisons (Holm, 1979); None where the interval is."""

    @property
    def level(self) -> bool:
        """Whether the variant may be picked instead of the reference.

        It is as good, or the interval reaches zero. With one seed an interval decides nothing, but
        what scored lower on these examples is not what to try first.
        """
        return self.word == "as good" or self.difference.low <= 0 <= self.difference.high

    @property
    def turned(self) -> Verdict:
        """What the reference is, against the variant."""
        turns: dict[Word, Word] = {"better": "worse", "worse": "better"}
        interval = self.difference
        back = Interval(-interval.estimate, -interval.high, -interval.low)
        return Verdict(turns.get(self.word, self.word), back, self.p_value)


def judge(rows: Rows) -> Judged:
    """Judge paired differences by themselves: a row per seed, a column per example.

    With one seed over the examples, and so of these very trainings: whether the method or its luck
    made them differ, one seed cannot tell.
    """
    estimate = crossed(rows)
    return Judged(estimate.difference(LEVEL), estimate.p_value())


def verdicts(judged: Mapping[str, Judged]) -> dict[str, Verdict]:
    """A verdict on each difference, corrected for how many there are."""
    corrected = holm({name: j.p_value for name, j in judged.items()})
    return {name: _verdict(difference, corrected[name]) for name, difference in judged.items()}


def word(
    difference: Interval, likely: Interval | None, margin: float | None, sign: int = 1
) -> Word:
    """What the intervals of 95 % and of 90 % say; a difference within the margin is as good, also
    where it is certain. More is better where `sign` is 1, and less where it is -1."""
    if margin is not None and likely and -margin < likely.low <= likely.high < margin:
        return "as good"
    if not difference.beyond_zero:
        return "undecided"
    return "better" if sign * difference.estimate > 0 else "worse"


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """The p-values corrected for their number by Holm's step-down method."""
    corrected: dict[str, float] = {}
    largest = 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda n: p_values[n])):
        largest = max(largest, min(1.0, p_values[name] * (len(p_values) - rank)))
        corrected[name] = largest
    return corrected


def _verdict(judged: Judged, p_value: float) -> Verdict:
    significant = p_value < LEVEL
    return Verdict(
        word(judged.difference, None, None) if significant else "undecided",
        judged.difference,
        p_value,
    )
