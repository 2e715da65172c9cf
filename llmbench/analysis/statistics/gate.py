"""Is any variant better than the untrained model? A test of its own, beside the differences.

The base is trained by nobody and has no luck, so that it tells nothing of the variants' and is no
member of their family. What every seed does to all variants alike stays in the difference here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from llmbench.analysis.statistics.crossed import Crossed, crossed
from llmbench.analysis.statistics.differences import BORROWED, Rows
from llmbench.analysis.statistics.interval import LEVEL, Interval, around, quantile


def gate(variants: Mapping[str, Rows], base: Any) -> dict[str, Interval]:
    """The interval of each variant's mean minus the base's, by the variant's name.

    All hold together (Bonferroni), as it is the best of the variants that is asked about. `base`
    is a numpy vector of the examples that the variants' rows have. One seed is judged by its
    examples.
    """
    estimates = {
        name: crossed([row - base for row in rows.values()]) for name, rows in variants.items()
    }
    spare = {name: f.seeds - 1 for name, f in estimates.items()}
    freedom = sum(spare.values())
    usual = (
        sum(spare[n] * f.seed_square for n, f in estimates.items()) / freedom if freedom else 0.0
    )
    level = LEVEL / len(estimates)
    return {
        name: around(f.mean, _margin(f, usual, freedom, level)) for name, f in estimates.items()
    }


def _margin(estimate: Crossed, usual: float, freedom: int, level: float) -> float:
    """The half-width as for two variants: luck is its own or the usual, whichever is larger."""
    own = estimate.seeds - 1
    over_examples = estimate.beyond_rest(estimate.example_square)
    square = over_examples * quantile(estimate.examples - 1, level) ** 2
    if own:
        luck = max(estimate.seed_square, usual)
        square += luck * quantile(min(freedom, BORROWED * own), level) ** 2
    return math.sqrt(square / (estimate.seeds * estimate.examples))
