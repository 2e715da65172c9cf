"""A chart of the page: its drawing, and the table that says the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from llmbench.output.html.charts.plot import Plot
from llmbench.output.table import Table
from llmbench.record.variant import Variant
from llmbench.units import GIB, MIB

MOST_ROWS = 24
"""Rows of the table in a chart that has a bar or a line for each."""


@dataclass(frozen=True)
class Chart:
    """What the page needs of one chart."""

    name: str
    title: str
    caption: str
    drawings: tuple[Markup, ...]
    """None where drawing failed, or there is nothing to draw: the table stands in."""
    table: Table

    @property
    def drawing(self) -> Markup:
        """All drawings, one after the other."""
        return Markup("").join(self.drawings)


def chart(
    name: str,
    title: str,
    description: str,
    caption: str,
    table: Table,
    *draw: Callable[[], Plot],
) -> Chart:
    """Draw; an error in there costs the drawing, and neither the table nor the page."""
    try:
        drawings = tuple(
            make().finish(f"{name}-{n}" if n else name, title, description)
            for n, make in enumerate(draw)
        )
    except Exception as error:  # figures that nobody thought of are to cost no more than this
        drawings = ()
        caption = f"It could not be drawn ({type(error).__name__}); the table has its figures."
    return Chart(name, title, caption, drawings, table)


def bytes_unit(largest: float) -> tuple[str, float]:
    """The unit for an axis up to so many bytes, and how many bytes it is."""
    return ("GiB", GIB) if largest >= GIB else ("MiB", MIB)


def chosen(variants: Sequence[Variant], preferred: Sequence[Variant]) -> list[Variant]:
    """As many rows as a chart holds, in their order, the preferred ones first to be kept."""
    if len(variants) <= MOST_ROWS:
        return list(variants)
    able = {variant.id for variant in variants}
    ids = dict.fromkeys(variant.id for variant in [*preferred, *variants] if variant.id in able)
    kept = set(list(ids)[:MOST_ROWS])
    return [variant for variant in variants if variant.id in kept]


def left_out(all_of: Sequence[Variant], kept: Sequence[Variant]) -> str:
    """A sentence on the rows that a chart has no room for; empty where it shows all."""
    count = len(all_of) - len(kept)
    return f" {count:,} more are in the table only." if count else ""
