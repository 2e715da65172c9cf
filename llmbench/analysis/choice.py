"""The rule of the pick, applied to the variants of a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llmbench.analysis import field
from llmbench.analysis.pick import By, Candidate, Choice, Wish, choose
from llmbench.analysis.standing import Standing
from llmbench.analysis.statistics.verdict import Word
from llmbench.record.variant import Variant

PAIRWISE = 16
"""Up to so many competing variants, the page has every pair, for the reader's own constraints."""
Pairs = dict[int, dict[int, Word]]
"""By the number of a competing variant, were it the best, the verdicts on those that may be picked
instead, by their numbers."""


@dataclass(frozen=True)
class Picked:
    """What is picked, as variants."""

    variant: Variant
    best: Variant
    others: tuple[Variant, ...]
    """Those that are as good as the best or undecided, and fit."""
    equal: int
    """How many of them are as fast as the fastest, itself included."""
    by: By
    tight: Variant | None
    longer: float | None


def picked(standing: Standing) -> Picked:
    """What is picked of those that fit, by quality: of some at least, that have a best."""
    made, cells = choice(standing), standing.competing
    return Picked(
        variant=cells[made.pick or 0],
        best=cells[made.best or 0],
        others=tuple(cells[i] for i in made.level if i != made.best),
        equal=len(made.equal),
        by=made.by,
        tight=None if made.tight is None else cells[made.tight],
        longer=made.longer,
    )


def choice(standing: Standing) -> Choice:
    """What to take of those competing, within the budget."""
    cells, pairs = standing.competing, {}
    if standing.best:
        level = standing.level()
        verdicts = {
            i: word for i, a in enumerate(cells) if a in level and (word := standing.word(a))
        }
        pairs = {cells.index(standing.best): verdicts}
    return choose(candidates(standing, pairs), Wish(memory=standing.budget))


def quality_pairs(standing: Standing) -> Pairs:
    """For each competing variant, were it the best, those that are as good or may be.

    Where there are too many for a page, for the best only.
    """
    cells, score = standing.competing, standing.score
    if score is None:
        return {}
    return {
        number: _instead(standing, variant, score.sign)
        for number, variant in enumerate(cells)
        if variant is standing.best or len(cells) <= PAIRWISE
    }


def candidates(standing: Standing, pairs: Pairs) -> list[Candidate]:
    """Those competing, in their order; `pairs` has who may be picked instead of whom."""
    return [
        _candidate(standing, variant, pairs.get(i)) for i, variant in enumerate(standing.competing)
    ]


def _candidate(
    standing: Standing, variant: Variant, tied: Mapping[int, object] | None
) -> Candidate:
    time, rate = standing.time_of(variant), field.speed(variant)
    return Candidate(
        name=standing.names[variant.id],
        quality=None if standing.quality_of(variant) is None else standing.merit(variant),
        memory=field.memory(variant) or 0.0,
        speed=(rate, standing.speeds.spread(variant)) if rate else None,
        time=(time, standing.paces.spread(variant)) if time else None,
        tied=None if tied is None else tuple(tied),
    )


def _instead(standing: Standing, best: Variant, sign: int) -> dict[int, Word]:
    """The verdicts on those that may be picked instead of this one, by their numbers.

    Who was given up in a race has fewer seeds, and is held against others given up alone.
    """
    between, given_up = standing.differences, standing.given_up
    if between is None or best.id not in between.index:
        return {}
    judged = {
        number: between.verdict(variant.id, best.id, standing.margin, sign)
        for number, variant in enumerate(standing.competing)
        if variant is not best and variant.id in between.index
        if variant.id not in given_up or best.id in given_up
    }
    return {number: v.word for number, v in judged.items() if v and v.level}
