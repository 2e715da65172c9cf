"""How often is a page wrong, and how often does it tell what is there? Scores of a known truth.

    python tests/benchmark/verdicts.py

Every page is judged by the functions that judge a comparison. Prints, in percent of the pages:
those of equal variants on which the best is called better than any other, or the other way round;
those that tell a loss of 0.05; those that call a variant as good that is worse by the whole margin;
and how often the untrained model's gate is wrong. With one seed a page says nothing: it is not
drawn.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from scores import Design, pages, say

from llmbench.analysis.statistics.differences import Differences, differences
from llmbench.analysis.statistics.quality import gate

MARGIN = 0.01
LUCKS = (0.0, 0.005, 0.02)
UNSTABLE = 3.0
"""How many times as large one variant's luck is; its variance is nine times the others'."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=1000)
    count = parser.parse_args().pages
    for table in (false_verdicts, power, as_good_table, gates, worst):
        table(count)


def false_verdicts(count: int) -> None:
    """Equal variants; in the last column one variant's luck is three times the others'."""
    say("seeds", "variants", "examples", "luck", "all alike", "one unstable")
    for seeds, variants, examples, luck in product((3, 5), (2, 7, 20), (20, 100, 500), LUCKS):
        alike = Design(variants, seeds, examples, luck)
        designs = [alike, replace(alike, unstable=UNSTABLE)] if luck else [alike]
        say(seeds, variants, examples, luck, *(share(d, count, wrong) for d in designs))


def power(count: int) -> None:
    """One variant of seven is worse."""
    say("loss", "all alike", "one unstable")
    for loss in (0.02, 0.03, 0.05, 0.08):
        losing = [Design(7, 3, 100, 0.005, u, losses=(loss,)) for u in (1.0, UNSTABLE)]
        say(loss, *(share(d, count, told) for d in losing))


def as_good_table(count: int) -> None:
    """All but the last variant are worse by the margin; and all are equal."""
    say("seeds", "variants", "examples", "luck", "wrong", "right, of equal ones")
    for seeds, variants, examples, luck in product((2, 3, 5), (2, 7), (100, 500), LUCKS):
        equal = Design(variants, seeds, examples, luck)
        worse = replace(equal, losses=(MARGIN,) * (variants - 1))
        shares = share(worse, count, wrongly_as_good), share(equal, count, as_good)
        say(seeds, variants, examples, luck, *shares)


def gates(count: int) -> None:
    """The first is the base: equal to the others, and worse; a seed moves all others alike."""
    say("seeds", "variants", "luck", "equal to the base", "better by 0.1")
    for seeds, variants, luck in product((1, 3), (2, 7), LUCKS[1:]):
        none = Design(variants + 1, seeds, 100, luck, together=luck)
        better = replace(none, losses=(0.1,))
        say(seeds, variants, luck, share(none, count, passed), share(better, count, passed))


def worst(count: int) -> None:
    """What is nearest to 5 % in the first and the third table, on five times as many pages."""
    say("seeds", "examples", "luck", "unstable", "false verdicts of two")
    designs = ((5, 100, 0.02, 1.0), (5, 100, 0.02, 3.0), (3, 500, 0.02, 3.0), (5, 500, 0.005, 3.0))
    for seeds, examples, luck, unstable in designs:
        design = Design(2, seeds, examples, luck, unstable)
        say(seeds, examples, luck, unstable, share(design, 5 * count, wrong))
    say("seeds", "examples", "luck", "wrongly as good, of two")
    for seeds, examples, luck in ((2, 500, 0.005), (3, 500, 0.0), (5, 500, 0.0), (5, 500, 0.005)):
        design = Design(2, seeds, examples, luck, losses=(MARGIN,))
        say(seeds, examples, luck, share(design, 5 * count, wrongly_as_good))


def share(design: Design, count: int, of: Callable[[Any], bool]) -> str:
    """Of so many pages, in percent."""
    return f"{100 * sum(of(page) for page in pages(design, count)) / count:.1f}"


def judged(page: Any) -> tuple[Differences, str]:
    """The page's differences, and the variant that is best on it."""
    held = {str(n): dict(enumerate(variant)) for n, variant in enumerate(page)}
    return differences(held), str(page.mean((1, 2)).argmax())


def words(page: Any) -> dict[str, str]:
    """What is said of each other variant against the best."""
    found, best = judged(page)
    others = [name for name in found.index if name != best]
    return {n: v.word for n in others if (v := found.verdict(n, best, MARGIN))}


def wrong(page: Any) -> bool:
    """Whether variants that are equal are told apart."""
    return not {"better", "worse"}.isdisjoint(words(page).values())


def told(page: Any) -> bool:
    """Whether the first variant, which is worse, is said to be."""
    return words(page).get("0") == "worse"


def wrongly_as_good(page: Any) -> bool:
    """Whether one that is worse by the margin is as good as the last, or that one as any."""
    found, last = judged(page)[0], str(len(page) - 1)
    verdicts = [found.verdict(str(n), last, MARGIN) for n in range(len(page) - 1)]
    return any(v and v.word == "as good" for v in verdicts)


def as_good(page: Any) -> bool:
    """Whether the second variant is as good as the first."""
    found = judged(page)[0].verdict("1", "0", MARGIN)
    return found is not None and found.word == "as good"


def passed(page: Any) -> bool:
    """Whether the best of all but the first is called better than the first, untrained, one."""
    base, variants = page[0, 0], page[1:]
    found = gate({str(n): dict(enumerate(variant)) for n, variant in enumerate(variants)}, base)
    best = str(variants.mean((1, 2)).argmax())
    return found[best].low > 0


if __name__ == "__main__":
    main()
