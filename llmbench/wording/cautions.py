"""What a reader has to know of how the figures came about, found in the records themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from llmbench import text
from llmbench.analysis import checks, fairness, steadiness
from llmbench.analysis.names import named
from llmbench.record.arm import arms
from llmbench.record.record import Record

MOST_NAMED = 4
"""Cells of one cause that are named, with what is to be seen of each."""
MOST_CHARACTERS = 500
"""Shown of what a worker warned of."""


def cautions(records: Sequence[Record]) -> list[str]:
    """Warnings in sentences, names between backticks, what bears on quality first."""
    unfair = map(fairness.sentence, fairness.unfair(records))
    return [*_warned(records), *_predictions(records), *unfair, *_unsteady(records)]


def _warned(records: Sequence[Record]) -> Iterator[str]:
    """What workers warned of, once each, with the cells that it was said of."""
    found = arms(records)
    names = named([arm.cell for arm in found])
    said = defaultdict(list)
    for arm in found:
        for warning in dict.fromkeys(w for r in arm.records for w in r.warnings):
            said[warning].append(text.code(names[arm.cell.id]))
    for warning, of in said.items():
        whom = "All cells" if len(of) == len(found) > 1 else text.listed(of)
        yield f"{whom}: {text.cut(warning, MOST_CHARACTERS)}"


def _predictions(records: Sequence[Record]) -> Iterator[str]:
    """Warnings if predictions do not depend on their inputs, or do not end."""
    names = named([r.cell for r in records], seeds=True)
    for check, meaning in ((checks.degenerate, checks.MEANING), (checks.endless, checks.ENDLESS)):
        seen = ((names[r.cell.id], what) for r in records if (what := check(r)))
        cells = [f"{text.code(name)} {what}" for name, what in seen]
        if cells:
            yield text.clean(f"{_first(cells)}. {meaning}")


def _unsteady(records: Sequence[Record]) -> Iterator[str]:
    """A warning for each cause, with the cells that it is the likely cause of."""
    names, found = named([r.cell for r in records], seeds=True), defaultdict(list)
    for record in records:
        for mark in steadiness.marks(record):
            found[mark.cause].append(f"{text.code(names[record.cell.id])} {mark.what}")
    for cause, cells in found.items():
        yield text.clean(f"{_first(cells)}. {cause}".strip())


def _first(cells: Sequence[str]) -> str:
    more = f"; {len(cells) - MOST_NAMED} more alike" if len(cells) > MOST_NAMED else ""
    return "; ".join(cells[:MOST_NAMED]) + more
