"""How the cells of a comparison stand to each other: who competes, who is best, who ties."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from llmbench.check import first_loss_problems
from llmbench.figure import BY_ID, Figure
from llmbench.record import Record
from llmbench.report import words
from llmbench.report.field import compete, least_memory, quality_score, score_value, speed
from llmbench.statistics import (
    Interval,
    Verdict,
    quality_interval,
    quality_verdicts,
    rate_interval,
)
from llmbench.store import Comparison

FULL_STATISTICS = 64
"""Beyond so many cells, intervals and verdicts are worked out for the best ones only."""
PAIRWISE = 16
"""Up to so many competing cells, every pair has its verdict, for the reader's own constraints."""


@dataclass(frozen=True)
class Standing:
    """The cells in their order, and what the statistics say of them."""

    records: tuple[Record, ...]
    names: dict[str, str]
    problems: dict[str, str]
    """Why a cell's figures are not to be used, by cell id."""
    score: Figure | None
    """The score that stands for quality; None where no quality was measured."""
    scored: tuple[Record, ...]
    """The cells whose quality is judged, the base among them."""
    competing: tuple[Record, ...]
    quality: dict[str, Interval]
    speed: dict[str, Interval]
    best: Record | None
    """The highest quality among those competing."""
    verdicts: dict[str, Verdict]
    """Of every cell with quality, against the best."""

    @property
    def cuda(self) -> bool:
        """Whether memory is a GPU's."""
        return any(r.environment and r.environment.device == "cuda" for r in self.records)

    @property
    def memory_word(self) -> str:
        """What peak memory is on this device."""
        return "peak memory" if self.cuda else "host memory growth"

    def name(self, record: Record) -> str:
        """The cell's name, set as code."""
        return words.code(self.names[record.cell.id])

    def quality_of(self, record: Record) -> float | None:
        """The cell's quality; None where it was not measured, or means nothing."""
        return score_value(self.score, record) if self.score else None

    def level(self) -> tuple[Record, ...]:
        """Those competing whose quality cannot be told from the best, itself included."""
        return tuple(r for r in self.competing if self.ties(r))

    def ties(self, record: Record) -> bool:
        """Whether the cell is the best, or not distinguishable from it."""
        if self.best is None or record.cell.id == self.best.cell.id:
            return self.best is not None
        return _same(self.verdicts.get(record.cell.id))

    def fastest(self) -> tuple[Record, ...]:
        """The fastest of those competing, then those whose interval overlaps its interval."""
        ranked = sorted(self.competing, key=lambda r: -(speed(r) or 0.0))
        if not ranked:
            return ()
        bound = self._low(ranked[0])
        return (ranked[0], *(r for r in ranked[1:] if self._high(r) >= bound))

    def smallest(self) -> Record:
        """The least memory of those competing."""
        return least_memory(self.competing)

    def _low(self, record: Record) -> float:
        found = self.speed.get(record.cell.id)
        return found.low if found else speed(record) or 0.0

    def _high(self, record: Record) -> float:
        found = self.speed.get(record.cell.id)
        return found.high if found else speed(record) or 0.0


def stand(comparison: Comparison) -> Standing:
    """Work out who competes and who wins."""
    records = comparison.records
    problems = first_loss_problems(records)
    score = quality_score(records)
    competing = compete(records, problems, score)
    best = _best(competing, score)
    scored = _highest((r for r in records if score_value(score, r) is not None), score)
    standing = Standing(
        records=records,
        names=words.names(records),
        problems=problems,
        score=score,
        scored=tuple(scored),
        competing=competing,
        quality=_intervals(scored, score),
        speed={},
        best=best,
        verdicts=quality_verdicts(scored, best, score.id) if score and best else {},
    )
    return replace(standing, speed=_rates(standing))


def _best(competing: Sequence[Record], score: Figure | None) -> Record | None:
    if score is None or not competing:
        return None
    return max(competing, key=lambda r: score_value(score, r) or 0.0)


def _rates(standing: Standing) -> dict[str, Interval]:
    """Intervals of the speed: of the fastest cells, and of the one to be picked."""
    measured = (r for r in standing.records if speed(r) is not None)
    rated = _highest(measured, BY_ID["train_tokens_per_second"])
    level = standing.level()
    if level:
        rated.append(least_memory(level))
    return {r.cell.id: i for r in rated if (i := rate_interval(r))}


def pairs(standing: Standing) -> dict[int, list[int]]:
    """For each competing cell, were it the best, which cells could not be told from it in quality.

    Where there are too many to judge every pair, for the best one only.
    """
    cells, score = standing.competing, standing.score
    if score is None:
        return {}
    found = {}
    for number, cell in enumerate(cells):
        if cell is standing.best:
            verdicts = standing.verdicts
        elif len(cells) <= PAIRWISE:
            verdicts = quality_verdicts(standing.scored, cell, score.id)
        else:
            continue
        found[number] = [
            i for i, c in enumerate(cells) if c is cell or _same(verdicts.get(c.cell.id))
        ]
    return found


def _same(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.word == "not distinguishable"


def _highest(records: Iterable[Record], figure: Figure | None) -> list[Record]:
    held = list(records)
    if len(held) <= FULL_STATISTICS or figure is None:
        return held
    ranked = sorted(held, key=lambda r: (r.cell.trains, -(figure.of(r) or 0.0)))
    return ranked[:FULL_STATISTICS]  # the untrained base first: it is always wanted


def _intervals(records: Sequence[Record], score: Figure | None) -> dict[str, Interval]:
    if score is None:
        return {}
    return {r.cell.id: i for r in records if (i := quality_interval(r, score.id))}
