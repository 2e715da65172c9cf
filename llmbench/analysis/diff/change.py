"""How a cell's figures changed, and whether each change is more than chance.

Scores are paired by example and seed, training speeds by step and seed. Generation has an interval
over batches or seeds, memory on CUDA and counts are exact. Of the rest, such as a host's memory,
one run says nothing about the spread.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from llmbench.analysis.statistics.interval import Interval
from llmbench.analysis.statistics.quality import paired_differences
from llmbench.analysis.statistics.rate import generation_interval, judge_speed, rate_interval
from llmbench.analysis.statistics.verdict import Judged, Verdict, judge, verdicts
from llmbench.record.comparison import Comparison
from llmbench.record.figure import (
    AFTER_PUBLIC,
    FIGURES,
    FIT_SIZE,
    VALIDATION_LOSS,
    Figure,
    peak_memory_kind,
    scores,
)
from llmbench.record.record import Record
from llmbench.record.variant import Variant

Word = Literal[
    "same",
    "better",
    "worse",
    "changed",
    "not distinguishable",
    "spread unknown",
    "not comparable",
    "only in old",
    "only in new",
]
SIGNIFICANT: frozenset[Word] = frozenset({"better", "worse", "changed"})
JUDGED: frozenset[Word] = SIGNIFICANT | {"same", "not distinguishable", "spread unknown"}
FITTED = frozenset({"fit_size", "train_tokens_per_second"})
"""All that can change in a cell that fills its memory budget."""
EXACT = frozenset(
    {
        "fit_size",
        "trainable_parameters",
        "total_parameters",
        "artifact_bytes",
        "predicted_peak_memory_bytes",
    }
)
NEGLIGIBLE = 0.0005
"""Share by which GPU memory may move and count as the same: it rounds to nothing."""
INTERVALS: Mapping[str, Callable[[Variant], Interval | None]] = {
    "train_tokens_per_second": rate_interval,
    "supervised_tokens_per_second": lambda variant: rate_interval(variant, "supervised_tokens"),
    "padded_tokens_per_second": lambda variant: rate_interval(variant, "padded_tokens"),
    "generate_tokens_per_second": generation_interval,
}
TRAINING_SPEEDS = INTERVALS.keys() - {"generate_tokens_per_second"}
"""Judged step by step; their intervals count where the steps cannot be paired."""


@dataclass(frozen=True)
class Change:
    """One figure of one cell, before and after; None where it was not measured."""

    figure: Figure
    old: float | None
    new: float | None
    word: Word
    verdict: Verdict | None = None
    """The paired verdict on a score, or on a training speed: then as a share of the old one."""

    @property
    def absolute(self) -> float:
        """How much it grew, in its own unit; 0 where one of the two is not known."""
        return 0.0 if self.old is None or self.new is None else self.new - self.old

    @property
    def percent(self) -> float:
        """How much it grew, in percent of the old value; infinite for growth from nothing."""
        if not self.absolute:
            return 0.0
        if not self.old:
            return math.copysign(math.inf, self.absolute)
        return 100 * self.absolute / abs(self.old)


def figures(records: Sequence[Record]) -> dict[str, Figure]:
    """Every figure that can change, by id: the known ones, and all scores of these records."""
    return {f.id: f for f in (*scores(records), *FIGURES, *AFTER_PUBLIC, FIT_SIZE)}


def changes(pairs: Sequence[Pair], floor: float = 0.0) -> dict[Key, list[Change]]:
    """The changes of every cell in every figure that either side has.

    `floor` is the log ratio by which a cell differed in speed from its own repeat.
    """
    changed: dict[Key, list[Change]] = {p.key: [] for p in pairs}
    for figure in figures([r for p in pairs for r in p.records]).values():
        judged = _paired(pairs, figure, floor)
        for pair in pairs:
            old, new = value(figure, pair.old), value(figure, pair.new)
            if old is not None or new is not None:
                verdict = judged.get("\0".join(pair.key))
                word = _word(figure, pair, old, new, verdict)
                changed[pair.key].append(Change(figure, old, new, word, verdict))
    return changed


def value(figure: Figure, variant: Variant) -> float | None:
    """A variant's figure; None where it was not measured, or means nothing."""
    if figure.scored and variant.cell.model.weights == "random":
        return None
    if variant.cell.fit and figure.id not in FITTED:
        return None
    mean = variant.mean(figure.of)
    return mean if mean is None or math.isfinite(mean) else None


def _paired(pairs: Sequence[Pair], figure: Figure, floor: float) -> dict[str, Verdict]:
    """Verdicts on a score or a training speed, corrected for the number of cells, by cell."""
    judged = {
        "\0".join(p.key): difference for p in pairs if (difference := _judge(p, figure, floor))
    }
    return verdicts(judged)


def _judge(pair: Pair, figure: Figure, floor: float) -> Judged | None:
    if figure.id in TRAINING_SPEEDS:
        return judge_speed(pair.new, pair.old, floor)
    if not figure.scored:
        return None
    rows = paired_differences(pair.new, pair.old, figure.id)
    return judge(rows) if rows else None


def _word(
    figure: Figure, pair: Pair, old: float | None, new: float | None, verdict: Verdict | None
) -> Word:
    if old is None or new is None:
        return "only in new" if old is None else "only in old"
    if not _comparable(figure, pair):
        return "not comparable"
    if old == new and verdict is None:
        return "same"
    if verdict:
        return _of_verdict(figure, verdict)
    return _of_spread(figure, pair, old, new)


def _comparable(figure: Figure, pair: Pair) -> bool:
    """Quality and losses need the same data, memory the same kind of memory."""
    if figure.scored or figure.id == "eval_loss":
        return pair.old.cell.eval_data.sha256 == pair.new.cell.eval_data.sha256
    if figure.id == VALIDATION_LOSS.id:
        validated = [variant.cell.validation_data for variant in (pair.old, pair.new)]
        return len({data and data.sha256 for data in validated}) == 1
    if figure.id == "generate_tokens_per_second":
        return _counts_decoded(pair.old) == _counts_decoded(pair.new)
    if figure.id == "peak_memory_bytes":
        return peak_memory_kind(pair.old.first) == peak_memory_kind(pair.new.first)
    return True


def _counts_decoded(variant: Variant) -> bool:
    """Whether it is known how many tokens were decoded; older records have texts' own alone."""
    made = variant.first.generation
    return made is not None and all(b.decoded_tokens is not None for b in made.batches)


def _of_verdict(figure: Figure, verdict: Verdict) -> Word:
    if verdict.word in ("better", "worse"):
        return _direction(figure, verdict.difference.estimate)
    return "not distinguishable" if verdict.difference.estimate else "same"


def _of_spread(figure: Figure, pair: Pair, old: float, new: float) -> Word:
    if _exact_memory(figure, pair) and abs(new - old) < NEGLIGIBLE * old:
        return "same"
    if figure.id in EXACT or _exact_memory(figure, pair):
        return _direction(figure, new - old)
    interval = INTERVALS.get(figure.id)
    before, after = (interval(variant) if interval else None for variant in (pair.old, pair.new))
    if before is None or after is None:
        return "spread unknown"
    apart = after.low > before.high or after.high < before.low
    return _direction(figure, new - old) if apart else "not distinguishable"


def _exact_memory(figure: Figure, pair: Pair) -> bool:
    return figure.id == "peak_memory_bytes" and peak_memory_kind(pair.new.first) == "cuda-allocated"


def _direction(figure: Figure, growth: float) -> Word:
    if figure.better == "neither":
        return "changed"
    return "better" if (growth > 0) == (figure.better == "higher") else "worse"


Key = tuple[str, ...]


@dataclass(frozen=True)
class Pair:
    """A variant of both: the same composition, model, task and seeds, whatever else has changed."""

    old: Variant
    new: Variant

    @property
    def records(self) -> tuple[Record, ...]:
        """Those of both sides."""
        return *self.old.records, *self.new.records

    @property
    def key(self) -> Key:
        """What the two share, but for the seeds."""
        return key(self.new.records[0])[:-1]


def key(record: Record) -> Key:
    """What makes a cell the same cell in another comparison."""
    cell = record.cell
    return cell.name, cell.model.id, cell.task, str(cell.seed)


def pairs(old: Sequence[Record], new: Sequence[Record]) -> list[Pair]:
    """Every cell that both hold, seeds together, in the order of the new comparison."""
    before, after = latest(old), latest(new)
    keys_of: dict[Key, list[Key]] = {}
    for k in after:
        if k in before:
            keys_of.setdefault(k[:-1], []).append(k)
    return [
        Pair(Variant(tuple(before[k] for k in keys)), Variant(tuple(after[k] for k in keys)))
        for keys in keys_of.values()
    ]


def unpaired(one: Comparison, other: Comparison) -> list[Record]:
    """The cells of one comparison that the other does not hold."""
    known = latest(other.records)
    return [record for k, record in latest(one.records).items() if k not in known]


def latest(records: Sequence[Record]) -> dict[Key, Record]:
    """A record for each cell; of several, as after a change of settings, the last to start."""
    newest: dict[Key, Record] = {}
    for record in records:
        earlier = newest.get(key(record))
        if earlier is None or (record.started_at or "") > (earlier.started_at or ""):
            newest[key(record)] = record
    return newest
