"""What it would take to tell a difference: how many examples, or how many seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass

from llmbench.analysis.statistics.crossed import Crossed, Rows, crossed
from llmbench.analysis.statistics.interval import LEVEL

POWER = 0.8
"""The chance with which the difference is to be told if it is there."""
MOST_EXAMPLES = 100_000
MOST_SEEDS = 50
"""Beyond these, nobody would."""


@dataclass(frozen=True)
class Need:
    """What would tell a difference; each None where no sensible number of it would."""

    difference: float
    seeds: int
    """How many there were."""
    examples: int
    more_examples: int | None
    """Examples in all, with the seeds as they are."""
    more_seeds: int | None
    """Seeds in all, with the examples as they are."""

    @property
    def met(self) -> bool:
        """Whether what there is would have told it."""
        return self.more_examples == self.examples or self.more_seeds == self.seeds


def need(rows: Rows, difference: float) -> Need:
    """What it takes to tell paired differences of this size, at the variance of these rows.

    A difference is told with power 80 % where it is `t(0.975) + t(0.8)` standard errors (Cohen,
    1988, chapter 2; Student's t as in Chow, Shao and Wang, 2008, section 3.1). One seed says
    nothing of the luck of training, and so the examples are for these very models.
    """
    found = crossed(rows)
    seeds = None if found.seeds == 1 else _seeds(found, difference)
    return Need(difference, found.seeds, found.examples, _examples(found, difference), seeds)


def _examples(found: Crossed, difference: float) -> int | None:
    of_seeds = found.seed_component / found.seeds
    room = (difference / _errors(found.seeds, found.examples)) ** 2 - of_seeds
    if room <= 0:
        return None
    wanted = math.ceil((found.example_component + found.rest / found.seeds) / room)
    return max(found.examples, wanted) if wanted <= MOST_EXAMPLES else None


def _seeds(found: Crossed, difference: float) -> int | None:
    of_seeds = found.seed_component + found.rest / found.examples
    of_examples = found.example_component / found.examples
    for seeds in range(found.seeds, MOST_SEEDS + 1):
        error = math.sqrt(of_seeds / seeds + of_examples)
        if error * _errors(seeds, found.examples) <= difference:
            return seeds
    return None


def _errors(seeds: int, examples: int) -> float:
    """How many standard errors a difference must be. The seeds decide where there are several."""
    from scipy.special import stdtrit

    freedom = max(1, seeds - 1 if seeds > 1 else examples - 1)
    return float(stdtrit(freedom, 1 - LEVEL / 2) + stdtrit(freedom, POWER))
