"""The table of cells as CSV and as JSON."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from json import dumps
from typing import Any

from llmbench.analysis import learning, scaling
from llmbench.record.comparison import Comparison
from llmbench.record.figure import (
    AFTER_PUBLIC,
    FIGURES,
    FIT_SIZE,
    Figure,
    peak_memory_kind,
    probed,
    score,
    scores,
    time_to_quality,
)
from llmbench.record.record import Record

FORMULA_STARTS = frozenset("=+-@")
NEEDS_QUOTES = re.compile('[",\r\n]')


def csv(comparison: Comparison) -> str:
    """One row per cell; a figure that was not measured is empty."""

    return lines(rows(comparison))


def lines(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows with the same names as CSV: a line of the names, and one for each row."""
    table = [list(rows[0]) if rows else [], *(row.values() for row in rows)]
    return "".join(",".join(map(_cell, line)) + "\n" for line in table)


def json(comparison: Comparison) -> str:
    """The same rows as a JSON list; a figure that was not measured is null."""

    return dumps(rows(comparison), indent=1, ensure_ascii=False) + "\n"


def _cell(value: object) -> str:
    """A value as a cell: text that would be run as a formula has an apostrophe in front.

    The report's own download does the same, in `report.js`. Python's `csv` would leave a carriage
    return as it is, and then not read it.
    """
    if value is None:
        return ""
    text = f"'{value}" if isinstance(value, str) and _is_formula(value) else str(value)
    return '"' + text.replace('"', '""') + '"' if NEEDS_QUOTES.search(text) else text


def _is_formula(text: str) -> bool:
    """Whether a spreadsheet may take it for one, which looks past what is not to be seen.

    Some take the signs of full width as well; decomposed, they are the plain ones.
    """
    plain = unicodedata.normalize("NFKD", text)
    return text.startswith(("\t", "\r", "\n")) or _first_seen(plain) in FORMULA_STARTS


def _first_seen(text: str) -> str:
    seen = (c for c in text if not c.isspace() and unicodedata.category(c)[0] != "C")
    return next(seen, "")


def rows(comparison: Comparison) -> list[dict[str, Any]]:
    """A row per cell, columns in their public order; None for what was not measured.

    What only tries a learning rate is no result.
    """
    records = comparison.reported.records
    extra = [f.id for f in scores(records) if f.id not in FIRST_SCORES]
    times = time_to_quality(learning.times_to_quality(records))
    behind = (*AFTER_PUBLIC, times, *scaling.figures(records))
    last, given_up = probed(records), _given_up(comparison)
    return [
        _row(record, behind, extra)
        | {f.id: f.of(record) for f in last}
        | {name: count.get(record.cell.composition) for name, count in given_up.items()}
        for record in records
    ]


def _given_up(comparison: Comparison) -> dict[str, dict[str, int]]:
    """A column for a comparison with a time budget: by composition, with how many seeds it was
    given up."""
    timed = comparison.header.timed
    return {GIVEN_UP: {g.composition: g.seeds for g in timed.given_up}} if timed else {}


GIVEN_UP = "given_up_after_seeds"
"""The column of how many seeds a method had when a race gave it up; empty for all others."""
FIRST_SCORES = ("rouge1", "rouge2", "rougeL", "rougeLsum")
"""Columns that were promised before metrics declared their scores: always there, maybe empty."""


def _row(record: Record, behind: Sequence[Figure], extra_scores: Sequence[str]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "strategy": record.cell.composition,
        "model": record.cell.model.id,
        "task": record.cell.task,
        "seed": record.cell.seed,
        "status": record.status,
        "reason": record.reason,
        "device": record.environment.device_name if record.environment else None,
    }
    row |= {name: score(name)(record) for name in FIRST_SCORES}
    for figure in FIGURES:
        row[figure.id] = figure.of(record)
        if figure.id == "peak_memory_bytes":
            row["peak_memory_kind"] = peak_memory_kind(record)
    for figure in behind:
        row[figure.id] = figure.of(record)
    row |= {name: score(name)(record) for name in extra_scores}
    row |= {"cell": record.cell.id, "attempt": record.attempt}
    return row | fit_columns(record)


def fit_columns(record: Record) -> dict[str, Any]:
    """Budget, what was stretched and how far, of a cell of the frontier; None of any other."""
    budget = record.cell.fit
    return {
        "fit_budget_bytes": budget.bytes if budget else None,
        "fit_stretched": budget.stretched if budget else None,
        "fit_size": FIT_SIZE.of(record),
    }
