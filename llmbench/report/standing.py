"""How the arms of a comparison stand to each other: who competes, who is best, who ties.

An arm is a composition with all its seeds; with one seed it is a cell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from llmbench.arm import Arm, arms
from llmbench.figure import Figure, peak_memory
from llmbench.judge.check import first_loss_problems
from llmbench.record import Record
from llmbench.report import words
from llmbench.report.field import (
    SPEED,
    compete,
    least_memory,
    quality_score,
    score_value,
    speed,
)
from llmbench.report.name import named
from llmbench.statistics.interval import Interval, few_interval
from llmbench.statistics.need import Need, need
from llmbench.statistics.quality import paired_differences, quality_interval, quality_verdicts
from llmbench.statistics.rate import rate_interval, speed_verdicts
from llmbench.statistics.verdict import Verdict
from llmbench.store import Comparison

FULL_STATISTICS = 64
"""Beyond so many arms, intervals and verdicts are worked out for the best ones only."""
PAIRWISE = 16
"""Up to so many competing arms, every pair has its verdict, for the reader's own constraints."""

MINDED = 0.01
"""A difference of quality that a reader would mind, to say what it would take to tell."""

Pairs = dict[int, list[int]]
"""By the number of a competing arm, the numbers of those that cannot be told from it."""


@dataclass(frozen=True)
class Standing:
    """The arms in their order, and what the statistics say of them."""

    records: tuple[Record, ...]
    arms: tuple[Arm, ...]
    numbers: dict[str, int]
    """The row of each arm, counted from 1, by its id."""
    names: dict[str, str]
    """Of the arms, by their ids."""
    cell_names: dict[str, str]
    """Of the cells, by theirs: with the seed, where there are several."""
    problems: dict[str, str]
    """Why a cell's figures are not to be used, by cell id."""
    score: Figure | None
    """The score that stands for quality; None where no quality was measured."""
    scored: tuple[Arm, ...]
    """The arms whose quality is judged, the base among them."""
    competing: tuple[Arm, ...]
    quality: dict[str, Interval]
    memory: dict[str, Interval]
    """Over the seeds, where there are several."""
    speed: dict[str, Interval]
    best: Arm | None
    """The highest quality among those competing."""
    verdicts: dict[str, Verdict]
    """Of every arm with quality, against the best."""
    speed_verdicts: dict[str, Verdict]
    """Of the faster ones of those competing, against the fastest."""

    @property
    def cuda(self) -> bool:
        """Whether memory is a GPU's."""
        return any(r.environment and r.environment.device == "cuda" for r in self.records)

    @property
    def timed(self) -> bool:
        """Whether there is a speed to compete on."""
        return any(speed(arm) for arm in self.competing)

    @property
    def memory_word(self) -> str:
        """What peak memory is on this device."""
        return "peak memory" if self.cuda else "host memory growth"

    @property
    def several_seeds(self) -> bool:
        """Whether rows are of several cells."""
        return len(self.arms) < len(self.records)

    @property
    def seed_counts(self) -> list[int]:
        """How many seeds those have that compete, each number once, in order."""
        return sorted({len(arm.seeds) for arm in self.competing or self.arms})

    def name(self, arm: Arm) -> str:
        """The arm's name, set as code."""
        return words.code(self.names[arm.id])

    def problem(self, arm: Arm) -> str:
        """Why its figures are not to be used; empty where they are."""
        cells = (r.cell.id for r in arm.records)
        return next((self.problems[cell] for cell in cells if cell in self.problems), "")

    def quality_of(self, arm: Arm) -> float | None:
        """The arm's quality; None where it was not measured, or means nothing."""
        return score_value(self.score, arm) if self.score else None

    def level(self) -> tuple[Arm, ...]:
        """Those competing whose quality cannot be told from the best, itself included."""
        return tuple(arm for arm in self.competing if self.ties(arm))

    def ties(self, arm: Arm) -> bool:
        """Whether the arm is the best, or not distinguishable from it."""
        if self.best is None or arm is self.best:
            return self.best is not None
        return _same(self.verdicts.get(arm.id))

    def need(self, arm: Arm) -> Need | None:
        """What it would take to tell the arm's quality from the best's."""
        if self.score is None or self.best is None or arm is self.best:
            return None
        rows = paired_differences(arm, self.best, self.score.id)
        return need(rows, MINDED) if rows else None

    def fastest(self) -> tuple[Arm, ...]:
        """The fastest of those competing, then those that cannot be told from it."""
        first = _fastest(self.competing)
        if first is None:
            return ()
        ranked = sorted(self.competing, key=lambda arm: -(speed(arm) or 0.0))
        rest = (arm for arm in ranked if arm is not first)
        return (first, *(arm for arm in rest if _same(self.speed_verdicts.get(arm.id))))

    def smallest(self) -> Arm:
        """The least memory of those competing."""
        return least_memory(self.competing)


def stand(comparison: Comparison) -> Standing:
    """Work out who competes and who wins."""
    records, found = comparison.records, arms(comparison.records)
    problems = first_loss_problems(records)
    score = quality_score(found)
    planned = {r.cell.id for r in comparison.planned}
    competing = compete(found, problems, score, planned)
    best = _best(competing, score)
    scored = _highest((a for a in found if score_value(score, a) is not None), score)
    fastest = _fastest(competing)
    standing = Standing(
        records=records,
        arms=found,
        numbers={arm.id: number for number, arm in enumerate(found, start=1)},
        names=named([arm.cell for arm in found]),
        cell_names=named([r.cell for r in records], seeds=True),
        problems=problems,
        score=score,
        scored=tuple(scored),
        competing=competing,
        quality=_intervals(scored, lambda arm: quality_interval(arm, score.id if score else "")),
        memory=_intervals(found, lambda arm: few_interval(arm.values(peak_memory))),
        speed={},
        best=best,
        verdicts=quality_verdicts(scored, best, score.id) if score and best else {},
        speed_verdicts=speed_verdicts(_highest(competing, SPEED), fastest) if fastest else {},
    )
    return replace(standing, speed=_rates(standing))


def _best(competing: Sequence[Arm], score: Figure | None) -> Arm | None:
    if score is None or not competing:
        return None
    return max(competing, key=lambda arm: score_value(score, arm) or 0.0)


def _fastest(competing: Sequence[Arm]) -> Arm | None:
    rated = [arm for arm in competing if speed(arm)]
    return max(rated, key=lambda arm: speed(arm) or 0.0) if rated else None


def _rates(standing: Standing) -> dict[str, Interval]:
    """Intervals of the speed: of the fastest arms, and of the one to be picked."""
    rated = _highest((a for a in standing.arms if speed(a) is not None), SPEED)
    level = standing.level()
    if level:
        rated.append(least_memory(level))
    return _intervals(rated, rate_interval)


def quality_pairs(standing: Standing) -> Pairs:
    """For each competing arm, were it the best, which could not be told from it in quality."""
    score, scored = standing.score, standing.scored
    if score is None:
        return {}
    return _pairs(
        standing.competing,
        (standing.best, standing.verdicts),
        lambda arm: quality_verdicts(scored, arm, score.id),
    )


def speed_pairs(standing: Standing) -> Pairs:
    """For each competing arm, were it the fastest, which could not be told from it in speed."""
    cells = standing.competing
    known = (_fastest(cells), standing.speed_verdicts)
    return _pairs(cells, known, lambda arm: speed_verdicts(cells, arm)) if standing.timed else {}


def _pairs(
    cells: Sequence[Arm],
    known: tuple[Arm | None, dict[str, Verdict]],
    judge: Callable[[Arm], dict[str, Verdict]],
) -> Pairs:
    """Where there are too many to judge every pair, for the known leader only."""
    found = {}
    for number, cell in enumerate(cells):
        if cell is not known[0] and len(cells) > PAIRWISE:
            continue
        verdicts = known[1] if cell is known[0] else judge(cell)
        found[number] = [i for i, c in enumerate(cells) if c is cell or _same(verdicts.get(c.id))]
    return found


def _same(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.word == "not distinguishable"


def _highest(found: Iterable[Arm], figure: Figure | None) -> list[Arm]:
    held = list(found)
    if len(held) <= FULL_STATISTICS or figure is None:
        return held
    ranked = sorted(held, key=lambda arm: (arm.cell.trains, -(arm.mean(figure.of) or 0.0)))
    return ranked[:FULL_STATISTICS]  # the untrained base first: it is always wanted


def _intervals(
    found: Sequence[Arm], interval: Callable[[Arm], Interval | None]
) -> dict[str, Interval]:
    return {arm.id: held for arm in found if (held := interval(arm))}
