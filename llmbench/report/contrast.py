"""What differs between cells: settings and what was in force, declared by strategies or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llmbench.judge import fairness
from llmbench.record import Record
from llmbench.report import words
from llmbench.report.run import label, show
from llmbench.report.standing import Standing

MOST_ROWS = 40
"""Cells in the table."""

Row = tuple[str, tuple[str, ...]]
"""A cell's name, and its values."""


def differing(standing: Standing) -> tuple[tuple[str, ...], tuple[Row, ...]]:
    """What the cells do not share: the names, and each cell's values."""
    trained = [arm for arm in standing.arms if arm.cell.trains and arm.first.status != "skipped"]
    rows = [(arm, {**settings(arm.first), **traits(arm.first)}) for arm in trained]
    names = list(dict.fromkeys(n for _, values in rows for n in values))
    # What a cell never got to say is no difference.
    found = [n for n in names if len({v[n] for _, v in rows if v.get(n)}) > 1]
    cells = tuple(
        (standing.names[arm.id], tuple(values.get(n) or words.DASH for n in found))
        for arm, values in rows[:MOST_ROWS]
    )
    declared = _declared(standing.records)
    return tuple(f"{n}{declared.get(n, '')}" for n in found), cells if found else ()


def settings(record: Record) -> dict[str, str]:
    """The cell's settings by their names for a person."""
    return {label(n): show(v) for n, v in record.cell.settings.model_dump().items()}


def traits(record: Record) -> dict[str, str]:
    """What was in force, likewise."""
    return {_title(name): words.clean(v) for name, v in fairness.traits(record).items()}


def _declared(records: Sequence[Record]) -> Mapping[str, str]:
    """What is to be added to a name: whether the difference is declared, where that is known."""
    names = {label(n) for r in records for n in r.cell.declared}
    names |= {_title(n) for r in records for n in fairness.traits(r) if fairness.ours(r, n)}
    unfair = {d.name.removeprefix("the ") for d in fairness.unfair(records)}
    return {**dict.fromkeys(names, " (declared)"), **dict.fromkeys(unfair, " (not declared)")}


def _title(name: str) -> str:
    return words.clean(fairness.trait(name).label.removeprefix("the "))
