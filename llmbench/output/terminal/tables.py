"""The table at the end of a comparison, made to fit the terminal."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from rich.table import Table
from rich.text import Text

from llmbench.analysis import learning
from llmbench.analysis.checks import first_loss_problems
from llmbench.analysis.field import quality_score
from llmbench.analysis.names import named
from llmbench.record.arm import Arm, arms
from llmbench.record.figure import BY_ID, FIT_SIZE, scores
from llmbench.record.record import Record
from llmbench.units import spoken
from llmbench.wording.figures import figure_text, value_text

COLUMNS = {
    "peak_memory_bytes": "Memory",
    "train_tokens_per_second": "Speed",
    "trainable_parameters": "Trained",
}
"""Figures behind quality to their headings, shorter than the report's."""
STYLES = {"ok": "green", "skipped": "yellow"}
GAP = 2


def table(records: Sequence[Record], width: int) -> Table:
    """A row per cell, or for all seeds of one, and the columns in which there is something.

    A composition that is too long goes on in the next line, after a `+`.
    """
    found = arms(records)
    names = named([arm.cell for arm in found])
    shown = {BY_ID[name]: heading for name, heading in COLUMNS.items()}
    quality = quality_score(found) or next(iter(scores(records)), None)
    if quality:
        shown = {quality: quality.label} | shown
    columns = {}
    for figure, heading in shown.items():
        values = [arm.mean(figure.of) for arm in found]
        if any(v is not None for v in values):
            columns[heading] = ["-" if v is None else value_text(figure, v) for v in values]
    wrong, unlearnt = first_loss_problems(records), learning.unlearnt(records)
    statuses = [_status(arm, wrong, unlearnt) for arm in found]
    widths = [max(map(len, [heading, *held])) for heading, held in columns.items()]
    taken = sum(widths) + max(map(len, ["Status", *statuses])) + GAP * (len(widths) + 1)
    made = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    made.add_column("Strategy", overflow="fold")
    for heading in columns:
        made.add_column(heading, justify="right", no_wrap=True)
    made.add_column("Status", no_wrap=True)
    for number, (arm, status) in enumerate(zip(found, statuses, strict=True)):
        figures = [held[number] for held in columns.values()]
        name = folded(names[arm.id], max(8, width - taken))
        made.add_row(name, *figures, Text(status, style=style(status.partition(",")[0])))
    return made


def _status(arm: Arm, wrong: Collection[str], unlearnt: Collection[str]) -> str:
    """How its cells ended, or why those that seem well cannot be ranked."""
    cells = {r.cell.id for r in arm.records}
    if cells & set(wrong):
        return "wrong first loss"
    return learning.DID_NOT_LEARN if cells & set(unlearnt) else arm.ending()


def style(status: str) -> str:
    """How a status is coloured."""
    return STYLES.get(status, "red")


def folded(composition: str, width: int) -> Text:
    """The composition in lines of at most the width, where its parts allow it."""
    lines = [""]
    indent = "  " if longest(composition) + 2 <= width else " "
    for part in _parts(composition):
        if lines[-1] and len(lines[-1] + part) > width:
            lines.append(indent)
        lines[-1] += part
    return Text("\n".join(lines))


def longest(composition: str) -> int:
    """Characters of the longest part, with the `+` behind it."""
    return max(map(len, _parts(composition)))


def _parts(composition: str) -> list[str]:
    return composition.replace("+", "+\n").split("\n")


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
