"""The exporter `placeholder` for llmbench."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from llmbench import hookimpl
from llmbench.plugin.exporter import Exporter

LLMBENCH_HOOKS = 1

if TYPE_CHECKING:
    from llmbench.record.comparison import Comparison


def render(comparison: Comparison) -> str:
    """A line for each cell: what it was and how it ended. Put your format in place of it."""
    records = comparison.reported.planned
    return "".join(f"{record.cell.id}: {record.status}\n" for record in records)


PLACEHOLDER_EXPORTER = Exporter(
    "placeholder", "a line per cell, as plain text", "placeholder.txt", render
)


@hookimpl
def register_exporters(register: Callable[[Exporter], None]) -> None:
    """Offer `placeholder`."""
    register(PLACEHOLDER_EXPORTER)
