"""The columns of the table: which figures there are, and a cell's value of each."""

from __future__ import annotations

import math
from collections.abc import Iterator

from llmbench.arm import Arm
from llmbench.figure import (
    AFTER_PUBLIC,
    BY_ID,
    FIGURES,
    TIME_TO_QUALITY,
    Figure,
    score,
    time_to_quality,
)
from llmbench.report.field import score_value
from llmbench.report.standing import Standing

SHOWN = (
    "peak_memory_bytes",
    "train_tokens_per_second",
    "generate_tokens_per_second",
    "trainable_parameters",
    "train_seconds",
    "artifact_bytes",
)
"""Columns that are there from the start, after quality; the reader can add the others."""

TRAINING_ONLY = frozenset({"train_seconds"})


def figures(standing: Standing) -> Iterator[Figure]:
    """Quality first, then the rest in their public order; figures that no cell has are left out."""
    seen = {n for r in standing.records for e in r.examples[:1] for n in e.scores}
    extra = (seen | {n for r in standing.records for n in r.corpus_scores}) - BY_ID.keys()
    further = [Figure(n, n, "score", "neither", score(n), "") for n in sorted(extra)]
    ordered = [*FIGURES, *further, *AFTER_PUBLIC, time_to_quality(standing.times)]
    head = standing.score.id if standing.score else None
    for figure in sorted(ordered, key=lambda f: f.id != head):
        if figure.id in SHOWN or any(value_of(figure, a) is not None for a in standing.arms):
            yield _named(figure, standing)


def _named(figure: Figure, standing: Standing) -> Figure:
    if figure.id != "peak_memory_bytes" or standing.cuda:
        return figure
    return Figure(
        figure.id, "Host memory growth", figure.unit, figure.better, figure.of, figure.meaning
    )


def value_of(figure: Figure, arm: Arm) -> float | None:
    """An arm's value of a figure; None where there is none, or it means nothing."""
    if figure.unit == "score":
        return score_value(figure, arm)
    if figure.id in TRAINING_ONLY and not arm.cell.trains:
        return None
    if figure.id == TIME_TO_QUALITY and len(arm.values(figure.of)) < len(arm.counted):
        return None  # a mean over the seeds that reached it would be too good to be true
    value = arm.mean(figure.of)
    return value if value is None or math.isfinite(value) else None
