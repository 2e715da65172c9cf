"""How the variants of a comparison stand to each other: who competes, who is best, who ties.

A variant is a composition with all its seeds; with one seed it is a cell.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean, geometric_mean

from llmbench import text, units
from llmbench.analysis import learning
from llmbench.analysis.checks import first_loss_problems
from llmbench.analysis.facts import group
from llmbench.analysis.field import (
    SPEED,
    compete,
    least_memory,
    memory,
    merit,
    quality_score,
    score_value,
    speed,
)
from llmbench.analysis.learning import Finding
from llmbench.analysis.names import named
from llmbench.analysis.statistics.differences import Differences, Need, need
from llmbench.analysis.statistics.interval import LEVEL, Interval, few_interval
from llmbench.analysis.statistics.quality import (
    all_differences,
    base_verdicts,
    quality_interval,
)
from llmbench.analysis.statistics.rate import Speeds, paces, rate_interval, speeds
from llmbench.analysis.statistics.verdict import Verdict, Word
from llmbench.analysis.tuning import tuned
from llmbench.record.comparison import Comparison, Header
from llmbench.record.figure import Figure, peak_memory
from llmbench.record.record import Record
from llmbench.record.timed import GivenUp, Timed
from llmbench.record.variant import Variant, variants

FULL_STATISTICS = 64
"""With more variants, intervals and verdicts on speed are worked out for the best ones only."""
PAIRWISE = 16
"""Up to so many competing variants, the page has every pair, for the reader's own constraints."""

MARGIN = 0.01
"""Variants whose quality differs by less are as good, where the comparison says nothing else."""
Pairs = dict[int, dict[int, Word]]
"""By the number of a competing variant, were it the best, the verdicts on those that may be picked
instead, by their numbers."""


@dataclass(frozen=True, eq=False)
class Standing:
    """The variants in their order, and what the statistics say of them."""

    records: tuple[Record, ...]
    variants: tuple[Variant, ...]
    numbers: dict[str, int]
    """The row of each variant, counted from 1, by its id."""
    names: dict[str, str]
    """Of the variants, by their ids."""
    cell_names: dict[str, str]
    """Of the cells, by theirs: with the seed, where there are several."""
    problems: dict[str, str]
    """Why a cell's figures are not to be used, by cell id."""
    unlearnt: dict[str, Finding]
    """Why a cell did not learn, and so says nothing of its method, by cell id."""
    times: dict[str, float]
    """The time to quality of each cell that reached it, by cell id."""
    goal: float | None
    """The validation loss that those competing must come down to for that."""
    margin: float
    """Variants whose quality differs by less are as good."""
    budget: int | None
    """Bytes of memory that the pick may need; None where all that there is will do."""
    score: Figure | None
    """The score that stands for quality; None where no quality was measured."""
    scored: tuple[Variant, ...]
    """The variants whose quality is judged, the base among them."""
    competing: tuple[Variant, ...]
    fitting: tuple[Variant, ...]
    """Those of them that fit into the budget; all if there is none."""
    quality: dict[str, Interval]
    memory: dict[str, Interval]
    """Over the seeds, where there are several."""
    speed: dict[str, Interval]
    best: Variant | None
    """The best quality among those competing that fit; among all if none fits."""
    differences: Differences | None
    """Between those competing, in quality; None where there are no scores to tell them by."""
    verdicts: dict[str, Verdict]
    """Of those competing, against the best; and of the base, by a test of its own."""
    against_base: dict[str, Verdict]
    """Of those competing, against the base."""
    speeds: Speeds
    """Of the faster ones of those competing, against each other."""
    repeats: tuple[Record, ...]
    """Cells that were run again, to see by how much a cell differs from itself."""
    time_budget: Timed | None
    """Of a comparison with a time budget: what was planned and what became of it."""
    given_up: dict[str, GivenUp]
    """By a variant's id, where a race gave it up: it has fewer seeds, and is worse than the best by
    the verdict of then."""

    @property
    def level_of_error(self) -> float:
        """The chance that any interval of a difference in quality misses."""
        return self.differences.level if self.differences else LEVEL

    @property
    def cuda(self) -> bool:
        """Whether memory is a GPU's."""
        return any(r.environment and r.environment.device == "cuda" for r in self.records)

    @property
    def timed(self) -> bool:
        """Whether there is a speed to compete on."""
        return any(speed(variant) for variant in self.competing)

    @property
    def memory_word(self) -> str:
        """What peak memory is on this device, in a sentence."""
        return "peak memory" if self.cuda else "RAM"

    @property
    def memory_label(self) -> str:
        """The same for a heading."""
        return "Peak memory" if self.cuda else "RAM used (no GPU here)"

    @property
    def several_seeds(self) -> bool:
        """Whether rows are of several cells."""
        return len(self.variants) < len(self.records)

    @property
    def seed_counts(self) -> list[int]:
        """How many seeds those have that compete, each number once, in order."""
        return sorted({len(variant.seeds) for variant in self.competing or self.variants})

    @property
    def one_seed(self) -> bool:
        """Whether nothing can be decided: one training of each says nothing of the methods."""
        if self.differences is None or self.best is None:
            return self.seed_counts == [1]
        return len(self.lone) == len(self.differences.index) - 1

    @property
    def lone(self) -> list[Variant]:
        """Those competing that have fewer than two seeds in common with the best."""
        differences, best = self.differences, self.best
        if differences is None or best is None or best.id not in differences.index:
            return []
        others = (a for a in self.competing if a is not best and a.id in differences.index)
        return [a for a in others if differences.shared(a.id, best.id) < 2]

    @property
    def expected(self) -> float | None:
        """The best's quality without the luck that made it the best; None with one seed.

        The estimate lies on the way from the mean of those competing to what was measured, as far
        as the differences are more than chance.
        """
        share = self.differences.shrinkage if self.differences else None
        measured = [q for variant in self.competing if (q := self.quality_of(variant)) is not None]
        top = self.quality_of(self.best) if self.best else None
        if share is None or top is None:
            return None
        usual = fmean(measured)
        return usual + share * (top - usual)

    @property
    def tuned(self) -> bool:
        """Whether each of those competing trained at a learning rate that was searched for."""
        return all(tuned(variant.cell) for variant in self.competing)

    def name(self, variant: Variant) -> str:
        """The variant's name, set as code."""
        return text.code(self.names[variant.id])

    def problem(self, variant: Variant) -> str:
        """Why its figures are not to be used; empty where they are."""
        cells = (r.cell.id for r in variant.records)
        return next((self.problems[cell] for cell in cells if cell in self.problems), "")

    def finding(self, variant: Variant) -> Finding | None:
        """Why it did not learn; None where it did, or where that is not known."""
        cells = (r.cell.id for r in variant.records)
        return next((self.unlearnt[cell] for cell in cells if cell in self.unlearnt), None)

    def times_of(self, variant: Variant) -> list[float]:
        """The times to quality of its seeds; none if one of them never reached it."""
        return learning.over_seeds(variant, self.times)

    def time_of(self, variant: Variant) -> float | None:
        """The mean of them, as speeds have it: the geometric one."""
        times = self.times_of(variant)
        return geometric_mean(times) if times and min(times) > 0 else None

    @cached_property
    def paces(self) -> Speeds:
        """How soon those competing came to quality, held against each other as speeds are.

        With one seed nothing tells what times vary by but the speeds themselves.
        """
        timed = {v: self.times_of(v) for v in _highest(self.competing, SPEED)}
        by_seed = {v: dict(zip(v.seeds, times, strict=True)) for v, times in timed.items() if times}
        return paces(by_seed, self.speeds.floor) or self.speeds

    def merit(self, variant: Variant) -> float:
        """The variant's quality as something of which more is better.

        Of one that was given up, as far below what was best by then as it was on the seeds of both:
        its own mean is of fewer seeds, which may have been easier for all.
        """
        given = self.given_up.get(variant.id)
        leader = self._leader(given) if given else None
        if given is None or leader is None or self.score is None:
            return merit(self.score, variant)
        return self.merit(leader) + self.score.sign * given.difference

    def _leader(self, given: GivenUp) -> Variant | None:
        """What it was given up for: one that stayed in the race for longer."""
        named = (a for a in self.competing if a.cell.composition == given.leader)
        stayed = (
            a for a in named if a.id not in self.given_up or self.given_up[a.id].seeds > given.seeds
        )
        return next(stayed, None)

    def quality_of(self, variant: Variant) -> float | None:
        """The variant's quality; None where it was not measured, or means nothing."""
        return score_value(self.score, variant) if self.score else None

    def level(self) -> tuple[Variant, ...]:
        """Those competing that are as good as the best or may be, itself included."""
        return tuple(a for a in self.competing if a is self.best or level(self.verdicts.get(a.id)))

    def word(self, variant: Variant) -> Word | None:
        """The verdict on the variant's quality against the best; None for the best itself."""
        verdict = self.verdicts.get(variant.id)
        return verdict.word if verdict else None

    def need(self, one: Variant, other: Variant) -> Need | None:
        """The difference that two variants' scores can show here, and the seeds for a smaller one.

        None with one seed: more examples tell of its trainings, and nothing of the methods.
        """
        differences = self.differences
        if differences is None or not {one.id, other.id} <= differences.index.keys():
            return None
        return need(differences, one.id, other.id, self.margin)

    def undecided(self, variant: Variant) -> list[Variant]:
        """Those that fit and are undecided against this one."""
        differences = self.differences
        if differences is None or variant.id not in differences.index:
            return []
        others = (
            a
            for a in self.fitting
            if a is not variant and a.id in differences.index and a.id not in self.given_up
        )
        judged = [(a, differences.verdict(a.id, variant.id, self.margin)) for a in others]
        return [a for a, verdict in judged if verdict is None or verdict.word == "undecided"]

    def power(self, pick: Variant) -> Need | None:
        """What it takes to tell the pick from the best of those that it is undecided against."""
        ranked = sorted(self.undecided(pick), key=self.merit, reverse=True)
        return next(
            (requirement for variant in ranked if (requirement := self.need(variant, pick))), None
        )

    def fastest(self) -> tuple[Variant, ...]:
        """The fastest of those that fit, then those that nothing shows to be slower."""
        running = self.fitting or self.competing
        first = _fastest(running)
        if first is None:
            return ()
        ranked = sorted(running, key=lambda variant: -(speed(variant) or 0.0))
        rest = (variant for variant in ranked if variant is not first)
        judged = _highest(self.competing, SPEED)
        return (first, *(a for a in rest if a in judged and not self.speeds.slower(a, first)))

    def smallest(self) -> Variant:
        """The least memory of those competing."""
        return least_memory(self.competing)


def stand(comparison: Comparison) -> Standing:
    """Work out who competes and who wins, of the cells with equal batches alone."""
    repeats, comparison = comparison.repeats, comparison.equal
    records, entrants = comparison.records, variants(comparison.records)
    problems, unlearnt = first_loss_problems(records), learning.unlearnt(records)
    score = quality_score(entrants)
    planned = {r.cell.id for r in comparison.planned}
    competing = compete(entrants, problems.keys() | unlearnt.keys(), score, planned)
    given_up = _given_up(comparison.header, competing)
    level = comparison.header.timed.level if comparison.header.timed else LEVEL
    margin, budget = _margin(comparison.header, score), _budget(comparison.header)
    fitting = tuple(a for a in competing if budget is None or (memory(a) or 0.0) <= budget)
    racing = tuple(a for a in fitting or competing if a.id not in given_up)
    best = _best(racing or fitting or competing, score)
    scored = _highest((a for a in entrants if score_value(score, a) is not None), score)
    between = all_differences(competing, score.id, level) if score else None
    base = _untrained(entrants, best)
    against_base = (
        base_verdicts(competing, base, score.id, score.sign, level) if base and score else {}
    )
    ahead = against_base.get(best.id) if best else None
    gates = {base.id: ahead.turned} if base and ahead else {}
    lost = {name: _lost(g) for name, g in given_up.items()}
    goals = learning.targets(records)
    standing = Standing(
        records=records,
        variants=entrants,
        numbers={variant.id: number for number, variant in enumerate(entrants, start=1)},
        names=named([variant.cell for variant in entrants]),
        cell_names=named([r.cell for r in records], seeds=True),
        problems=problems,
        unlearnt=unlearnt,
        times=learning.times_to_quality(records),
        goal=next((goals[a.id] for a in competing if a.id in goals), None),
        margin=margin,
        budget=budget,
        score=score,
        scored=tuple(scored),
        competing=competing,
        fitting=fitting,
        quality=_intervals(
            scored, lambda variant: quality_interval(variant, score.id if score else "")
        ),
        memory=_intervals(entrants, lambda variant: few_interval(variant.values(peak_memory))),
        speed={},
        best=best,
        differences=between,
        verdicts=_verdicts(best, score, between, margin) | lost | gates,
        against_base=against_base,
        speeds=speeds(_highest(competing, SPEED), repeats),
        repeats=repeats,
        time_budget=comparison.header.timed,
        given_up=given_up,
    )
    return replace(standing, speed=_rates(standing))


def _margin(header: Header, score: Figure | None) -> float:
    """What was asked for, or else what the metric declares."""
    margin = header.configuration.get("margin")
    asked = not header.origins.get("margin", "").startswith("default")
    if asked and isinstance(margin, float) and margin > 0:
        return margin
    return (score and score.margin) or MARGIN


def _budget(header: Header) -> int | None:
    """The budget that was configured, in bytes or as people write sizes."""
    budget = header.configuration.get("memory_budget")
    if isinstance(budget, str):
        with contextlib.suppress(ValueError):
            return units.read_size(budget)
    return budget if isinstance(budget, int) else None


def _best(competing: Sequence[Variant], score: Figure | None) -> Variant | None:
    if score is None or not competing:
        return None
    return max(competing, key=lambda variant: merit(score, variant))


def _fastest(competing: Sequence[Variant]) -> Variant | None:
    rated = [variant for variant in competing if speed(variant)]
    return max(rated, key=lambda variant: speed(variant) or 0.0) if rated else None


def _given_up(header: Header, able: Sequence[Variant]) -> dict[str, GivenUp]:
    """What the comparison's race gave up, by the id of its variant."""
    by_name = {g.composition: g for g in (header.timed.given_up if header.timed else ())}
    return {a.id: by_name[a.cell.composition] for a in able if a.cell.composition in by_name}


def _lost(given: GivenUp) -> Verdict:
    """The verdict by which it was given up, against what was best by then."""
    return Verdict("worse", Interval(given.difference, given.low, given.high))


def _verdicts(
    best: Variant | None, score: Figure | None, between: Differences | None, margin: float
) -> dict[str, Verdict]:
    """Of those competing, against the best."""
    if best is None or score is None or between is None or best.id not in between.index:
        return {}
    names = [name for name in between.index if name != best.id]
    judged = {name: between.verdict(name, best.id, margin, score.sign) for name in names}
    return {name: verdict for name, verdict in judged.items() if verdict}


def _untrained(entrants: Sequence[Variant], best: Variant | None) -> Variant | None:
    """The base that compares with the best; of weights that were never trained, there is none."""
    bases = (
        variant
        for variant in entrants
        if not variant.cell.trains and variant.cell.model.weights != "scratch"
    )
    return next((variant for variant in bases if best and group(variant) == group(best)), None)


def level(verdict: Verdict | None) -> bool:
    """Whether one with this verdict may be picked instead of the best.

    It is as good, or the interval reaches zero. With one seed an interval decides nothing, but
    what scored lower on these examples is not what to try first.
    """
    if verdict is None:
        return False
    return verdict.word == "as good" or verdict.difference.low <= 0 <= verdict.difference.high


def _rates(standing: Standing) -> dict[str, Interval]:
    """Intervals of the speed: of the fastest variants, and of those among which one is picked."""
    rated = [a for a in standing.variants if speed(a) is not None]
    level = (a for a in standing.level() if speed(a) is not None)
    return _intervals(list(dict.fromkeys([*_highest(rated, SPEED), *level])), rate_interval)


def quality_pairs(standing: Standing) -> Pairs:
    """For each competing variant, were it the best, those that are as good or may be.

    Where there are too many for a page, for the best only.
    """
    between, cells = standing.differences, standing.competing
    if standing.score is None:
        return {}
    pairs: Pairs = {}
    for number, variant in enumerate(cells):
        if variant is not standing.best and len(cells) > PAIRWISE:
            continue
        known = between is not None and variant.id in between.index
        pairs[number] = {
            i: verdict.word
            for i, other in enumerate(cells)
            if between and known and other is not variant and other.id in between.index
            if other.id not in standing.given_up or variant.id in standing.given_up
            if (
                verdict := between.verdict(
                    other.id, variant.id, standing.margin, standing.score.sign
                )
            )
            and level(verdict)
        }
    return pairs


def _highest(entrants: Iterable[Variant], figure: Figure | None) -> list[Variant]:
    listed = list(entrants)
    if len(listed) <= FULL_STATISTICS or figure is None:
        return listed
    ranked = sorted(
        listed,
        key=lambda variant: (variant.cell.trains, -figure.sign * (variant.mean(figure.of) or 0.0)),
    )
    return ranked[:FULL_STATISTICS]  # the untrained base first: it is always wanted


def _intervals(
    entrants: Sequence[Variant], interval: Callable[[Variant], Interval | None]
) -> dict[str, Interval]:
    return {variant.id: bounds for variant in entrants if (bounds := interval(variant))}
