"""How the variants of a comparison stand to each other: who competes, who is best, who ties.

A variant is a composition with all its seeds; with one seed it is a cell. What is known is put
together in `judging.py`; here are the questions that it answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, geometric_mean

from llmbench import text
from llmbench.analysis import learning
from llmbench.analysis.field import SPEED, highest, least_memory, merit, score_value, speed
from llmbench.analysis.learning import Finding
from llmbench.analysis.statistics.differences import Differences, Need, need
from llmbench.analysis.statistics.interval import LEVEL, Interval
from llmbench.analysis.statistics.rate import Speeds, paces
from llmbench.analysis.statistics.verdict import Verdict, Word
from llmbench.analysis.tuning import tuned
from llmbench.record.figure import Figure
from llmbench.record.record import Record
from llmbench.record.timed import GivenUp, Timed
from llmbench.record.variant import Variant


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
        timed = {v: self.times_of(v) for v in highest(self.competing, SPEED)}
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
        tied = {name for name, verdict in self.verdicts.items() if verdict.level}
        return tuple(a for a in self.competing if a is self.best or a.id in tied)

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
        ranked = sorted(running, key=lambda variant: -(speed(variant) or 0.0))
        if not ranked or not speed(ranked[0]):
            return ()
        first, *rest = ranked
        judged = highest(self.competing, SPEED)
        return (first, *(a for a in rest if a in judged and not self.speeds.slower(a, first)))

    def smallest(self) -> Variant:
        """The least memory of those competing."""
        return least_memory(self.competing)
