"""The table of all cells: a row per cell, whatever became of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from llmbench.figure import (
    AFTER_PUBLIC,
    BY_ID,
    FIGURES,
    Figure,
    generate_rate,
    peak_memory,
    score,
)
from llmbench.record import Record
from llmbench.report import words
from llmbench.report.standing import Standing, score_value

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
REASON_LENGTH = 300


@dataclass(frozen=True)
class Value:
    """One figure of one cell."""

    text: str
    """Empty where it was not measured."""
    sort: float | None = None
    detail: str = ""
    """Its interval, or its share."""
    mark: Literal["", "best", "level"] = ""
    absent: str = ""
    """Why there is no figure."""


@dataclass(frozen=True)
class Column:
    """One figure of all cells."""

    id: str
    label: str
    meaning: str
    better: str
    shown: bool


@dataclass(frozen=True)
class Row:
    """One cell."""

    number: int
    name: str
    status: str
    good: bool
    cause: str
    values: tuple[Value, ...]
    picked: bool
    linked: bool = True
    """Whether the page has details of the cell."""


@dataclass(frozen=True)
class Table:
    """All cells and all figures."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


def table(standing: Standing, pick: Record | None, linked: frozenset[str]) -> Table:
    """Every record as a row, in the order of the plan."""
    figures = list(_figures(standing))
    best = {f.id: _best(f, standing) for f in figures}
    rows = []
    for number, record in enumerate(standing.records, start=1):
        values = tuple(_value(f, record, standing, best[f.id]) for f in figures)
        rows.append(_row(number, record, values, standing, pick, linked))
    shown = {standing.score.id if standing.score else "", *SHOWN}
    return Table(
        tuple(
            Column(f.id, words.clean(f.label), f.meaning, f.better, f.id in shown) for f in figures
        ),
        tuple(rows),
    )


def _row(
    number: int,
    record: Record,
    values: tuple[Value, ...],
    standing: Standing,
    pick: Record | None,
    linked: frozenset[str],
) -> Row:
    wrong = standing.problems.get(record.cell.id)
    cause = wrong or (record.reason or "" if record.status != "ok" else "")
    return Row(
        number=number,
        name=standing.names[record.cell.id],
        status=status_text(record, bool(wrong)),
        good=record.status == "ok" and not wrong,
        cause=words.cut(cause, REASON_LENGTH),
        values=values,
        picked=pick is record,
        linked=record.cell.id in linked,
    )


def status_text(record: Record, wrong: bool = False) -> str:
    """`ok`, `oom in train`, or what is wrong with a cell that seems well."""
    if wrong and record.status == "ok":
        return "wrong first loss"
    return f"{record.status} in {record.phase}" if record.phase else record.status


def _figures(standing: Standing) -> Iterator[Figure]:
    """Quality first, then the rest in their public order; figures that no cell has are left out."""
    seen = {n for r in standing.records for e in r.examples[:1] for n in e.scores}
    extra = (seen | {n for r in standing.records for n in r.corpus_scores}) - BY_ID.keys()
    further = [Figure(n, n, "score", "neither", score(n), "") for n in sorted(extra)]
    ordered = [*FIGURES, *further, *AFTER_PUBLIC]
    head = standing.score.id if standing.score else None
    for figure in sorted(ordered, key=lambda f: f.id != head):
        if figure.id in SHOWN or any(_of(figure, r) is not None for r in standing.records):
            yield _named(figure, standing)


def _named(figure: Figure, standing: Standing) -> Figure:
    if figure.id != "peak_memory_bytes" or standing.cuda:
        return figure
    return Figure(
        figure.id, "Host memory growth", figure.unit, figure.better, figure.of, figure.meaning
    )


def _of(figure: Figure, record: Record) -> float | None:
    if figure.unit == "score":
        return score_value(figure, record)
    if figure.id in TRAINING_ONLY and not record.cell.trains:
        return None
    value = figure.of(record)
    return value if value is None or math.isfinite(value) else None


def _value(figure: Figure, record: Record, standing: Standing, best: frozenset[str]) -> Value:
    value = _of(figure, record)
    if value is None:
        return Value("", absent=_absent(figure, record))
    cell = record.cell.id
    mark: Literal["", "best", "level"] = ""
    if cell in best:
        mark = "level" if len(best) > 1 else "best"
    return Value(
        text=words.figure_value(figure, value),
        sort=float(f"{value:.6g}"),
        detail=_detail(figure, record, standing),
        mark=mark,
    )


def _detail(figure: Figure, record: Record, standing: Standing) -> str:
    if standing.score and figure.id == standing.score.id:
        return words.bounds(figure, standing.quality.get(record.cell.id))
    if figure.id == "train_tokens_per_second":
        return words.bounds(figure, standing.speed.get(record.cell.id))
    if figure.id == "trainable_parameters" and record.parameters and record.parameters.total:
        return words.percent(record.parameters.trainable, record.parameters.total)
    return ""


def _absent(figure: Figure, record: Record) -> str:
    if record.status != "ok":
        return "not measured"  # its row says why
    if figure.unit == "score" and record.cell.model.weights == "random":
        return "not measured: the weights are random"
    if not record.cell.trains:
        return "not measured: nothing is trained"
    return "not measured"


def _best(figure: Figure, standing: Standing) -> frozenset[str]:
    """Cells to mark in a column: the best of those competing, and all that tie with it."""
    if len(standing.competing) < 2 or figure.better == "neither":
        return frozenset()
    leaders: Sequence[Record] = ()
    if standing.score and figure.id == standing.score.id:
        leaders = standing.level()
    elif figure.id == "train_tokens_per_second":
        leaders = standing.fastest()
    elif figure.id in _PLAIN:
        leaders = _leaders(standing.competing, figure)
    alike = len(leaders) == len(standing.competing)  # then nothing is the best
    return frozenset() if alike else frozenset(r.cell.id for r in leaders)


_PLAIN = frozenset(
    {"peak_memory_bytes", "generate_tokens_per_second", "train_seconds", "artifact_bytes"}
)
"""Figures of which the plain extreme is marked: nothing is known of their spread."""


def _leaders(records: Sequence[Record], figure: Figure) -> list[Record]:
    measured = {r.cell.id: v for r in records if (v := _of(figure, r)) is not None}
    if not measured:
        return []
    choose: Callable[..., float] = max if figure.better == "higher" else min
    top = words.figure_value(figure, choose(measured.values()))
    return [
        r
        for r in records
        if r.cell.id in measured and words.figure_value(figure, measured[r.cell.id]) == top
    ]


def summary_figures(record: Record, standing: Standing) -> str:
    """The cell's main figures in a line, for a chart's marks."""
    parts = []
    value = standing.quality_of(record)
    if standing.score and value is not None:
        interval = words.bounds(standing.score, standing.quality.get(record.cell.id))
        parts.append(
            f"{standing.score.label} {words.figure_value(standing.score, value)} {interval}"
        )
    memory, rate = peak_memory(record), BY_ID["train_tokens_per_second"].of(record)
    if memory is not None:
        parts.append(
            f"{standing.memory_word} {words.figure_value(BY_ID['peak_memory_bytes'], memory)}"
        )
    if rate is not None:
        parts.append(words.figure_value(BY_ID["train_tokens_per_second"], rate))
    elif generate_rate(record) is not None:
        parts.append("not trained")
    return ", ".join(p.strip() for p in parts)
