"""What can be told here, and how many seeds would tell more."""

from __future__ import annotations

from dataclasses import dataclass

from llmbench.analysis.statistics.differences import Differences


@dataclass(frozen=True)
class Need:
    """The power of a comparison for one pair of its variants."""

    seeds: int
    """How many both have; at least two."""
    examples: int
    detectable: float
    """The difference that is told here with a chance of 80 %."""
    difference: float
    """What was measured, or the margin if that is more: what is to be told."""
    wanted: int | None
    """Seeds in all that would tell it with that chance; None where no sensible number would."""

    @property
    def met(self) -> bool:
        """Whether what there is would mostly have told it."""
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
