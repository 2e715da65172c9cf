"""What a reader has to know of how the figures came about, found in the records themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from llmbench.judge import fairness, steadiness
from llmbench.record import Record
from llmbench.report import words
from llmbench.report.name import named

MOST_NAMED = 4
"""Cells of one cause that are named, with what is to be seen of each."""


def cautions(records: Sequence[Record]) -> list[str]:
    """Warnings in sentences, names between backticks: what else differs, and what was unsteady."""
    return [*map(fairness.sentence, fairness.unfair(records)), *_unsteady(records)]


def _unsteady(records: Sequence[Record]) -> Iterator[str]:
    """A warning for each cause, with the cells that it is the likely cause of."""
    names, found = named([r.cell for r in records], seeds=True), defaultdict(list)
    for record in records:
        for mark in steadiness.marks(record):
            found[mark.cause].append(f"{words.code(names[record.cell.id])} {mark.what}")
    for cause, cells in found.items():
        more = f"; {len(cells) - MOST_NAMED} more alike" if len(cells) > MOST_NAMED else ""
        yield words.clean(f"{'; '.join(cells[:MOST_NAMED])}{more}. {cause}".strip())
