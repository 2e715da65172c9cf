"""The table at the end of a comparison, made to fit the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from llmbench.figure import BY_ID
from llmbench.format import figure_text
from llmbench.record import Record

COLUMNS = {
    "rougeL": "ROUGE-L",
    "peak_memory_bytes": "Memory",
    "train_tokens_per_second": "Speed",
    "trainable_parameters": "Trained",
}
"""Figures to their headings, shorter than the report's."""
STYLES = {"ok": "green", "skipped": "yellow"}
GAP = 2


def table(records: Sequence[Record], width: int) -> Table:
    """A row per cell, and the columns in which there is something.

    A composition that is too long goes on in the next line, after a `+`.
    """
    texts = {c: [figure_text(BY_ID[c], r) for r in records] for c in COLUMNS}
    columns = {c: [t or "-" for t in found] for c, found in texts.items() if any(found)}
    statuses = [r.status for r in records]
    widths = [max(map(len, [COLUMNS[c], *found])) for c, found in columns.items()]
    taken = sum(widths) + max(map(len, ["Status", *statuses])) + GAP * (len(widths) + 1)
    made = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    made.add_column("Strategy", overflow="fold")
    for column in columns:
        made.add_column(COLUMNS[column], justify="right", no_wrap=True)
    made.add_column("Status", no_wrap=True)
    for number, record in enumerate(records):
        figures = [found[number] for found in columns.values()]
        name = folded(record.cell.composition, max(8, width - taken))
        made.add_row(name, *figures, Text(record.status, style=style(record.status)))
    return made


def style(status: str) -> str:
    """How a status is coloured."""
    return STYLES.get(status, "red")


def folded(composition: str, width: int) -> Text:
    """The composition in lines of at most the width, where its parts allow it."""
    lines = [""]
    for part in composition.replace("+", "+\n").split("\n"):
        if lines[-1] and len(lines[-1] + part) > width:
            lines.append("  ")
        lines[-1] += part
    return Text("\n".join(lines))
