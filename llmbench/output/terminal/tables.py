"""The table at the end of a comparison, made to fit the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from llmbench.record.figure import BY_ID, FIT_SIZE
from llmbench.record.record import Record
from llmbench.units import MINUS, spoken_size
from llmbench.wording.figures import figure_text
from llmbench.wording.labels import labels, legend

if TYPE_CHECKING:
    from llmbench.output.brief import Brief

HEADINGS = {
    "Peak memory": "Memory",
    "Training tokens/s": "Tokens/s",
    "Trained weights": "Trained",
}
"""Headings that are shorter here than elsewhere."""
STYLES = {"ok": "green", "skipped": "yellow", "not run": "yellow"}
GAP = 2
PLAIN = str.maketrans({"`": None, "\N{MULTIPLICATION SIGN}": "x"})
"""Of labels and their legend: what terminals show plainly."""


def drawn(
    headings: Sequence[str],
    rows: Sequence[Sequence[str | Text]],
    width: int,
    title: str | None = None,
) -> Table:
    """A table whose first column holds names, which are folded behind a `+` to fit the width.

    Where a part of a name would be broken, all have short labels, with a legend below. Columns are
    set to the right, but for one headed `Status`.
    """
    widths = [
        max(len(str(cell)) for cell in column)
        for column in list(zip(headings, *rows, strict=True))[1:]
    ]
    gap = GAP
    if max((longest(str(row[0])) for row in rows), default=0) > width - sum(widths) - GAP * len(
        widths
    ):
        gap = 1  # or a long name would be broken in mid-word
    room = max(8, width - sum(widths) - gap * len(widths))
    names = [str(row[0]) for row in rows]
    short = labels(names) if max(map(longest, names), default=0) > room else {n: n for n in names}
    made = Table(
        title=title,
        caption=legend(short).translate(PLAIN) or None,
        caption_justify="left",
        caption_style="",
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        padding=(0, gap, 0, 0),
        header_style="bold",
    )
    made.add_column(headings[0], overflow="fold")
    for heading in headings[1:]:
        left = heading == "Status"
        made.add_column(heading, justify="left" if left else "right", no_wrap=True)
    for name, *cells in rows:
        made.add_row(folded(short[str(name)].translate(PLAIN), room), *cells)
    return made


def table(summary: Brief, width: int) -> Table:
    """A row per method, and the columns in which there is something."""
    texts = [
        [f"{v.text}".replace(MINUS, "-") or "-" for v in line.figures] for line in summary.lines
    ]
    columns = list(zip(*texts, strict=True))
    kept = [n for n, column in enumerate(columns) if any(cell != "-" for cell in column)]
    headings = [HEADINGS.get(label, label) for label in summary.header[1:-1]]
    rows: list[list[str | Text]] = [
        [line.name, *(cells[n] for n in kept), status(line.status)]
        for line, cells in zip(summary.lines, texts, strict=True)
    ]
    return drawn(["Method", *(headings[n] for n in kept), "Status"], rows, width)


def status(said: str) -> Text:
    """A status in its colour."""
    return Text(said, style=style(said.partition(",")[0]))


def style(status: str) -> str:
    """How a status is coloured."""
    return STYLES.get(status, "red")


def folded(composition: str, width: int) -> Text:
    """The composition in lines of at most the width, where its parts allow it."""
    lines = [""]
    indent = "  " if longest(composition) + 2 <= width else " "
    for member in _parts(composition):
        if lines[-1] and len(lines[-1] + member) > width:
            lines.append(indent)
        lines[-1] += member
    return Text("\n".join(lines))


def longest(composition: str) -> int:
    """Characters of the longest part, with the `+` behind it."""
    return max(map(len, _parts(composition)))


def _parts(composition: str) -> list[str]:
    return composition.replace("+", "+\n").split("\n")


SIZES = {"batch_size": "Sequences", "seq_len": "Tokens"}
"""What the found size counts: of a micro-batch, or of a sequence."""


def fit_tables(records: Sequence[Record], width: int) -> Iterator[Table]:
    """A table for each budget, a row per cell."""
    for budget in dict.fromkeys(r.cell.fit for r in records if r.cell.fit):
        headings = ["Method", SIZES[budget.stretched], "Memory", "Speed", "Status"]
        rows = [list(_row(r)) for r in records if r.cell.fit == budget]
        yield drawn(headings, rows, width, f"What fits into {spoken_size(budget.bytes)}")


def _row(record: Record) -> Iterator[Text | str]:
    yield record.cell.composition
    for figure in (FIT_SIZE, BY_ID["peak_memory_bytes"], BY_ID["train_tokens_per_second"]):
        yield figure_text(figure, record) or "-"
    yield status(record.status)
