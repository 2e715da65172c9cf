"""Do intervals of quality hold the truth as often as they say? Scores of a known truth.

    python tests/benchmark/coverage.py

Prints the percentage of intervals of 95 % that hold what they are of: the mean of one training over
all examples (one seed), of a method over all trainings and examples (several), of each difference
between two methods, and of all differences of a page together. Then by how much the best of a page
of equal methods reads too high, as measured and as expected. Last, what caution costs: how often
all differences hold together if all of the luck counted, if it were pooled whoever is unstable,
and if both.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from scores import OWN, Design, before, draw, mean, pages, say
from verdicts import judged

from llmbench.analysis.statistics import differences
from llmbench.analysis.statistics.crossed import crossed
from llmbench.analysis.statistics.interval import LEVEL, Interval

LUCK = differences._luck
LUCKS = (0.0, 0.005, 0.02)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=2000)
    draws = parser.parse_args().draws
    say("seeds", "examples", *(f"luck {luck:g}" for luck in LUCKS), "60 % zeros, luck 0.005")
    for seeds, examples in product((1, 2, 3, 5), (8, 20, 50, 100, 500)):
        designs = [Design(1, seeds, examples, luck) for luck in LUCKS]
        designs.append(Design(1, seeds, examples, 0.005, zeros=0.6))
        say(seeds, examples, *(of_means(design, draws) for design in designs))
    say("seeds", "methods", "examples", "luck", "each difference", "all of a page")
    for seeds, variants, examples in product((1, 3, 5), (2, 7), (20, 100, 500)):
        for luck in LUCKS if seeds > 1 else LUCKS[:1]:
            found = of_differences(Design(variants, seeds, examples, luck), draws // 2)
            say(seeds, variants, examples, luck, *found)
    pairs(draws)
    say("methods", "luck", "too high as measured", "as expected")
    for variants, luck in product((3, 8, 20), (0.005, 0.02)):
        say(variants, luck, *curse(Design(variants, 3, 100, luck), draws // 4))
    say("seeds", "examples", "luck", "as they are", "all counted", "pooled", "both")
    for seeds, examples, luck in ((3, 20, 0.005), (3, 100, 0.0), (3, 500, 0.02), (5, 100, 0.005)):
        say(seeds, examples, luck, *of_caution(Design(7, seeds, examples, luck), draws // 4))


def pairs(draws: int) -> None:
    """How often the interval of a pair by itself holds, as `diff` prints it."""
    say("seeds", "examples", *(f"luck {luck:g}" for luck in LUCKS))
    for seeds, examples in product((1, 2, 3, 5), (20, 100, 500)):
        found = []
        for luck in LUCKS if seeds > 1 else LUCKS[:1]:
            drawn = pages(Design(2, seeds, examples, luck), draws)
            ends = (crossed(one - other).difference(LEVEL) for one, other in drawn)
            found.append(percent(sum(holds(end, 0.0) for end in ends) / draws))
        say(seeds, examples, *found)


def of_caution(design: Design, draws: int) -> Iterator[str]:
    """How often all differences hold together, without one caution, the other, and both."""

    def pooled(between: Any, shared: Any, alike: list[int]) -> Any:
        usual = between[~np.eye(len(between), dtype=bool)].mean()
        return LUCK(np.full_like(between, usual), shared, alike)

    for luck, borrowed in product((LUCK, pooled), (differences.BORROWED, 1000)):
        with patch.multiple(differences, _luck=luck, BORROWED=borrowed):
            yield of_differences(design, draws)[1]


def of_means(design: Design, draws: int) -> str:
    """One training's interval is held against that training's own mean."""
    held = 0
    if design.seeds > 1:
        truth = mean(0.0, 0.0, design.zeros)
        for page in pages(design, draws):
            held += holds(crossed(page[0]).interval(LEVEL), truth)
        return percent(held / draws)
    random = np.random.default_rng(list(repr(design).encode()))
    calm = Design(1, 1, design.examples, 0.0, zeros=design.zeros)
    for luck in random.standard_normal(draws) * float(before(design.luck)):
        loss = -OWN * (mean(luck, 0.0, design.zeros) - mean(0.0, 0.0, design.zeros))
        moved = Design(1, 1, design.examples, zeros=design.zeros, losses=(round(loss, 3),))
        page = draw(random, moved if design.luck else calm, 1)[0]
        truth = mean(0.0, 0.0, design.zeros) - (moved.losses[0] if design.luck else 0.0)
        held += holds(crossed(page[0]).interval(LEVEL), truth)
    return percent(held / draws)


def of_differences(design: Design, draws: int) -> tuple[str, str]:
    """Variants are equal, and every true difference is zero."""
    single = whole = 0.0
    for page in pages(design, draws):
        found, _ = judged(page)
        names = list(found.index)
        ends = [found.interval(a, b) for a in names for b in names if a < b]
        missed = [not holds(end, 0.0) for end in ends if end]
        single += 1 - sum(missed) / len(missed)
        whole += not any(missed)
    return percent(single / draws), percent(whole / draws)


def curse(design: Design, draws: int) -> tuple[str, str]:
    """By how much the best is too high, against the mean of the page, which is nobody's luck."""
    measured, expected = 0.0, 0.0
    for page in pages(design, draws):
        found, best = judged(page)
        means = page.mean((1, 2))
        ahead = float(means[int(best)] - means.mean())
        measured += ahead
        expected += ahead * (found.shrinkage or 0.0)
    return f"{measured / draws:.3f}", f"{expected / draws:.3f}"


def holds(interval: Interval, truth: Any) -> bool:
    """Whether it is in there, ends included."""
    return bool(interval.low <= truth <= interval.high)


def percent(share: float) -> str:
    """Of one hundred."""
    return f"{100 * share:.1f}"


if __name__ == "__main__":
    main()
