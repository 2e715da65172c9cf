"""The tables of what fits into a memory budget, under that of the cells with equal batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from llmbench.console.table import GAP, folded, style
from llmbench.figure import BY_ID, FIT_SIZE
from llmbench.format import figure_text
from llmbench.record import Record
from llmbench.size import spoken

SIZES = {"batch_size": "Sequences", "seq_len": "Tokens"}
"""What the found size counts: of a micro-batch, or of a sequence."""
ROOM = 47
"""Characters that the columns beside the name take at most."""


def fit_tables(records: Sequence[Record], width: int) -> Iterator[Table]:
    """A table for each budget, a row per cell."""
    for budget in dict.fromkeys(r.cell.fit for r in records if r.cell.fit):
        made = Table(
            title=f"What fits into {spoken(budget.bytes)}",
            title_justify="left",
            title_style="bold",
            box=None,
            pad_edge=False,
            padding=(0, GAP, 0, 0),
            header_style="bold",
        )
        made.add_column("Strategy", overflow="fold")
        for heading in (SIZES[budget.stretched], "Memory", "Speed"):
            made.add_column(heading, justify="right", no_wrap=True)
        made.add_column("Status", no_wrap=True)
        for record in records:
            if record.cell.fit == budget:
                made.add_row(*_row(record, width))
        yield made


def _row(record: Record, width: int) -> Iterator[Text | str]:
    yield folded(record.cell.composition, max(8, width - ROOM))
    for figure in (FIT_SIZE, BY_ID["peak_memory_bytes"], BY_ID["train_tokens_per_second"]):
        yield figure_text(figure, record) or "-"
    yield Text(record.status, style=style(record.status))
