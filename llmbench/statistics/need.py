"""What it would take to tell a difference: how many examples, or how many seeds."""

from __future__ import annotations

from dataclasses import dataclass

from llmbench.statistics.crossed import Crossed, Rows, crossed
from llmbench.statistics.interval import LEVEL

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
    room = (difference / _errors(_freedom(found, found.seeds))) ** 2 - found.seed_variance
    if room <= 0:
        return None
    wanted = -(-(found.example_variance * found.examples) // room)
    return max(found.examples, int(wanted)) if wanted <= MOST_EXAMPLES else None


def _seeds(found: Crossed, difference: float) -> int | None:
    of_seeds = found.seed_component + found.rest / found.examples
    of_examples = found.example_component / found.examples
    for seeds in range(found.seeds, MOST_SEEDS + 1):
        error = (of_seeds / seeds + of_examples) ** 0.5
        if error * _errors(_freedom(found, seeds)) <= difference:
            return seeds
    return None


def _freedom(found: Crossed, seeds: int) -> int:
    """Degrees of the part that decides: the seeds, where they have an effect at all."""
    return seeds - 1 if found.seed_component > 0 else found.examples - 1


def _errors(freedom: int) -> float:
    from scipy.special import stdtrit

    degrees = max(1, freedom)
    return float(stdtrit(degrees, 1 - LEVEL / 2) + stdtrit(degrees, POWER))
