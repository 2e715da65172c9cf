"""The table of all cells: a row per cell, whatever became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from llmbench.figure import (
    BY_ID,
    Figure,
    generate_rate,
    peak_memory,
)
from llmbench.record import Record
from llmbench.report import words
from llmbench.report.column import SHOWN, figures, value_of
from llmbench.report.mark import leading
from llmbench.report.standing import Standing

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
    found = list(figures(standing))
    best = {f.id: leading(f, standing) for f in found}
    rows = []
    for number, record in enumerate(standing.records, start=1):
        values = tuple(_value(f, record, standing, best[f.id]) for f in found)
        rows.append(_row(number, record, values, standing, pick, linked))
    # Scores of further metrics were asked for, so that they are shown as well.
    asked = {f.id for f in found if f.unit == "score" and f.id not in BY_ID}
    shown = {standing.score.id if standing.score else "", *SHOWN, *asked}
    return Table(
        tuple(
            Column(f.id, words.clean(f.label), f.meaning, f.better, f.id in shown) for f in found
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


def _value(figure: Figure, record: Record, standing: Standing, best: frozenset[str]) -> Value:
    value = value_of(figure, record)
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
