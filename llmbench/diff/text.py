"""A diff for a terminal: 80 columns, no markup."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from llmbench.diff import CellDiff, Diff
from llmbench.diff.change import Change
from llmbench.diff.phrase import (
    broken_cells,
    broken_rules,
    growth,
    label,
    shown,
    summary,
    unjudged,
    values,
)
from llmbench.diff.rule import Outcome
from llmbench.report import words

WIDTH = 80


def text(diff: Diff, outcomes: Sequence[Outcome]) -> str:
    """The diff as lines that fit the terminal."""
    lines = [
        *_wrapped("old  ", diff.old),
        *_wrapped("new  ", diff.new),
        *(line for notice in diff.notices for line in _wrapped("Note: ", notice)),
        *(line for cell in diff.cells for line in _cell(cell, outcomes)),
        "",
        *_end(diff, outcomes),
    ]
    return "\n".join(lines) + "\n"


def _cell(cell: CellDiff, outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield ""
    yield words.short(_line(cell.name), WIDTH)
    old, new = cell.pair.old.ending(), cell.pair.new.ending()
    if {old.partition(",")[0], new.partition(",")[0]} != {"ok"}:
        yield f"  {new}, as before" if old == new else f"  {old} before, {new} now"
    for change in shown(cell, outcomes):
        yield _row(cell, change)


def _row(cell: CellDiff, change: Change) -> str:
    old, new = values(change)
    name = words.short(_line(label(cell, change)), 18)
    return f"  {name:18} {old:>13} {new:>13} {growth(change):>9}  {change.word}".rstrip()


def _end(diff: Diff, outcomes: Sequence[Outcome]) -> Iterator[str]:
    if diff.missing:
        yield from _wrapped("Only in old: ", words.listed(diff.missing, 20))
    if diff.added:
        yield from _wrapped("Only in new: ", words.listed(diff.added, 20))
    yield from _wrapped("", summary(diff))
    for sentence in unjudged(outcomes):
        yield from _wrapped("Note: ", sentence)
    for name, how in broken_cells(diff):
        yield from _wrapped("FAILS " if outcomes else "", f"{name} {how}")
    for rule, how in broken_rules(outcomes):
        yield from _wrapped("FAILS ", f"{rule}: {how}")


def _wrapped(start: str, content: str) -> list[str]:
    indent = " " * min(len(start), 6)
    return textwrap.wrap(start + _line(content), WIDTH, subsequent_indent=indent)


def _line(content: str) -> str:
    """The text in one line, without what a terminal would obey."""
    return " ".join(words.clean(content).split())
