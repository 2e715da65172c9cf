"""A chart of the page: in words, as a drawing, and as a table of what it shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from llmbench.format import GIB, MIB
from llmbench.record import Record
from llmbench.report import canvas, svg

MOST_ROWS = 24
"""Cells in a chart that has a row or a line for each."""


@dataclass(frozen=True)
class Chart:
    """What the page needs of one chart."""

    name: str
    title: str
    description: str
    caption: str
    drawing: Markup | None
    """None where the packages that draw are not installed: the table stands in."""
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def chart(
    name: str,
    title: str,
    description: str,
    caption: str,
    table: tuple[Sequence[str], Sequence[Sequence[str]]],
    make: Callable[[], str],
) -> Chart:
    """Draw, where that can be done."""
    drawing = None
    if canvas.missing() is None:
        drawing = svg.finish(make(), name, title, description)
    header, rows = table
    return Chart(
        name, title, description, caption, drawing, tuple(header), tuple(tuple(r) for r in rows)
    )


def bytes_unit(largest: float) -> tuple[str, float]:
    """The unit for an axis up to so many bytes, and how many bytes it is."""
    return ("GiB", GIB) if largest >= GIB else ("MiB", MIB)


def chosen(records: Sequence[Record], preferred: Sequence[Record]) -> list[Record]:
    """As many cells as a chart holds, in their order, the preferred ones first to be kept."""
    if len(records) <= MOST_ROWS:
        return list(records)
    ids = dict.fromkeys(r.cell.id for r in [*preferred, *records])
    held = {r.cell.id for r in records}
    kept = set([i for i in ids if i in held][:MOST_ROWS])
    return [r for r in records if r.cell.id in kept]


def left_out(all_of: Sequence[Record], kept: Sequence[Record]) -> str:
    """A sentence on the cells that a chart has no room for; empty where it shows all."""
    count = len(all_of) - len(kept)
    return f" {count:,} more cells are in the table only." if count else ""
