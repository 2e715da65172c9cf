"""A chart of the page: in words, as a drawing, and as a table of what it shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from llmbench.arm import Arm
from llmbench.format import GIB, MIB
from llmbench.report import canvas, svg, words

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
    make: Callable[[], str] | None,
) -> Chart:
    """Draw, where that can be done; without `make` there is nothing but the table."""
    drawing = None
    if make and canvas.missing() is None:
        drawing = svg.finish(make(), name, title, description)
    header, rows = table
    return Chart(
        name, title, description, caption, drawing, tuple(header), tuple(tuple(r) for r in rows)
    )


def bytes_unit(largest: float) -> tuple[str, float]:
    """The unit for an axis up to so many bytes, and how many bytes it is."""
    return ("GiB", GIB) if largest >= GIB else ("MiB", MIB)


def chosen(arms: Sequence[Arm], preferred: Sequence[Arm]) -> list[Arm]:
    """As many rows as a chart holds, in their order, the preferred ones first to be kept."""
    if len(arms) <= MOST_ROWS:
        return list(arms)
    ids = dict.fromkeys(arm.id for arm in [*preferred, *arms])
    held = {arm.id for arm in arms}
    kept = set([i for i in ids if i in held][:MOST_ROWS])
    return [arm for arm in arms if arm.id in kept]


def left_out(all_of: Sequence[Arm], kept: Sequence[Arm]) -> str:
    """A sentence on the cells that a chart has no room for; empty where it shows all."""
    count = len(all_of) - len(kept)
    return f" {count:,} more cells are in the table only." if count else ""


def unique(names: Sequence[str]) -> list[str]:
    """The names, shortened, and numbered where two are the same: Vega tells rows apart by them."""
    seen: dict[str, int] = {}
    found = []
    for name in (words.short(name, canvas.ROW_LABEL) for name in names):
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found
