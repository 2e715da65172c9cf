"""The field: which cells compete, and on what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from llmbench.figure import BY_ID, QUALITY, Figure, peak_memory
from llmbench.record import Record
from llmbench.setting import ADJUSTABLE

SCORES = (QUALITY, "rougeLsum", "rouge1", "rouge2")
"""Scores that can stand for quality: those of which it is known that more is better."""

speed = BY_ID["train_tokens_per_second"].of


def compete(
    records: Sequence[Record], problems: dict[str, str], score: Figure | None
) -> tuple[Record, ...]:
    """Cells that ended well, train, start from the base model, and have all their figures.

    Of several models, data, settings or devices, those of the most frequent: others do not
    compare.
    """
    able = [
        r
        for r in records
        if r.status == "ok"
        and r.cell.trains
        and r.cell.id not in problems
        and peak_memory(r) is not None
        and speed(r)
        and (score is None or score_value(score, r) is not None)
    ]
    groups = Counter(group(r) for r in able)
    chosen = max(groups, key=lambda g: groups[g]) if groups else None
    return tuple(r for r in able if group(r) == chosen)


def group(record: Record) -> tuple[object, ...]:
    """What cells must share to be held against each other: all but strategy and seed."""
    cell = record.cell
    shared = cell.settings.model_dump(exclude=set(cell.declared))
    device = record.environment.device_name if record.environment else None
    data = (cell.train_data.sha256, cell.eval_data.sha256)
    # A setting that a strategy declares is its own affair, and is in no other cell's way.
    settings = tuple((name, shared[name]) for name in sorted(shared) if name not in ADJUSTABLE)
    return (cell.model, cell.task, *data, device, settings)


def quality_score(records: Sequence[Record]) -> Figure | None:
    """The score that stands for quality in these records, if there is one."""
    trained = [r for r in records if r.cell.trains and r.status == "ok"]
    for name in SCORES:
        if any(score_value(BY_ID[name], r) is not None for r in trained):
            return BY_ID[name]
    return None


def score_value(score: Figure | None, record: Record) -> float | None:
    """A record's score; None for random weights, where it would mean nothing."""
    if score is None or record.cell.model.weights == "random":
        return None
    return score.of(record)


def least_memory(records: Sequence[Record]) -> Record:
    """The smallest peak; of equals the fastest."""
    return min(records, key=lambda r: (peak_memory(r) or 0.0, -(speed(r) or 0.0)))
