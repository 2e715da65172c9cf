"""Racing: methods that are clearly worse than the best get no further seeds.

All methods are trained with one seed after the other. After 2, 3, 5 and 8 seeds the page is looked
at: a method is given up whose difference from the leader lies beyond the margin with its whole
interval, and its time goes to the others (Maron and Moore, 1994; Birattari et al., 2002). At every
look the intervals of all pairs hold together. The looks share a chance of error of 2 %, and the
last page has 3 %: strict looks cost it little (Haybittle, 1971; Peto et al., 1976). By Bonferroni,
all of them together are wrong in at most 5 % of comparisons, whenever the race ends; so the best
method, or one that is as good as it within the margin, is given up at most that often. Between the
looks nothing is decided, so that few share the error.

Maron and Moore, Hoeffding races, NeurIPS 6 (1994). Birattari, Stützle, Paquete and Varrentrapp, A
racing algorithm for configuring metaheuristics, GECCO (2002). Haybittle, British Journal of
Radiology 44, 793 (1971). Peto et al., British Journal of Cancer 34, 585 (1976),
doi:10.1038/bjc.1976.220.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from llmbench.analysis.checks import first_loss_problems
from llmbench.analysis.judging import stand
from llmbench.analysis.learning import unlearnt
from llmbench.analysis.standing import Standing
from llmbench.analysis.statistics.differences import Differences
from llmbench.analysis.statistics.interval import LEVEL, Interval
from llmbench.record.comparison import Comparison
from llmbench.record.timed import GivenUp

LOOKS = (2, 3, 5, 8)
"""Seeds after which the methods are looked at. Each time about half as many more: a difference that
took another seed to show is worth no look of its own."""
MOST_SEEDS = 12
AT_LOOKS = 0.02
"""The chance of error of all looks together; the last page has the rest of LEVEL."""


def looks(most: int) -> tuple[int, ...]:
    """The looks of a race with so many seeds at most; after all of them comes the last page."""
    return tuple(count for count in LOOKS if count < most)


def levels(looks: Sequence[int]) -> tuple[float, float]:
    """The chance of error at one of the looks, and on the last page; LEVEL without any looks."""
    if not looks:
        return LEVEL, LEVEL
    return AT_LOOKS / len(looks), LEVEL - AT_LOOKS


def behind(
    between: Differences, contenders: Sequence[str], leader: str, margin: float, sign: int = 1
) -> dict[str, Interval]:
    """Which contenders are worse than the leader by more than the margin, with their intervals.

    More is better where `sign` is 1, and less where it is -1. Who shares fewer than two seeds with
    the leader stays.
    """
    lost = {}
    for name in contenders:
        if name == leader or not {name, leader} <= between.index.keys():
            continue
        interval = between.interval(name, leader)
        if interval is None or between.shared(name, leader) < 2:
            continue
        nearest = interval.high if sign > 0 else -interval.low
        if nearest < -margin:
            lost[name] = interval
    return lost


def standing(comparison: Comparison, seeds: int) -> Standing:
    """How the methods stand by the planned cells; what was given up with fewer seeds is known."""
    header = comparison.header
    if header.timed:
        before = tuple(g for g in header.timed.given_up if g.seeds < seeds)
        timed = header.timed.model_copy(update={"given_up": before, "end": ""})
        header = header.model_copy(update={"timed": timed})
    return stand(replace(comparison, header=header, records=comparison.planned))


def lost(now: Standing, contenders: Collection[str], seeds: int) -> list[GivenUp]:
    """The compositions among the contenders that are to be given up after so many seeds."""
    best, between, score = now.best, now.differences, now.score
    if best is None or between is None or score is None:
        return []
    racers = {a.id: a.cell.composition for a in now.competing}
    racers = {
        name: composition for name, composition in racers.items() if composition in contenders
    }
    beyond = behind(between, list(racers), best.id, now.margin, score.sign)
    return [
        GivenUp(
            composition=racers[name],
            seeds=seeds,
            leader=best.cell.composition,
            difference=interval.estimate,
            low=interval.low,
            high=interval.high,
        )
        for name, interval in beyond.items()
    ]


def out(comparison: Comparison) -> set[str]:
    """The compositions of which no further seed is of use: a cell did not learn, or is wrong."""
    records = replace(comparison, records=comparison.planned).equal.records
    unusable = first_loss_problems(records).keys() | unlearnt(records).keys()
    return {r.cell.composition for r in records if r.cell.id in unusable}


def settled(now: Standing) -> bool:
    """Whether further seeds would decide nothing: the best is told from all others and the base."""
    best = now.best
    if best is None or now.score is None:
        return False
    base = now.against_base.get(best.id)
    others = [a for a in now.competing if a is not best]
    words = [*map(now.word, others), *([base.word] if base else [])]
    return all(word is not None and word != "undecided" for word in words)
