"""A diff for a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llmbench import text
from llmbench.analysis.diff.change import SIGNIFICANT, Change
from llmbench.analysis.diff.compare import CellDiff, Diff
from llmbench.analysis.diff.rule import Outcome
from llmbench.output import markdown as md
from llmbench.output.diff_text import (
    broken_cells,
    broken_rules,
    growth,
    label,
    others,
    shown,
    summary,
    values,
)
from llmbench.wording import figures

HEADER = ("Method", "Figure", "Old", "New", "Change", "")


def markdown(diff: Diff, outcomes: Sequence[Outcome]) -> str:
    """The diff as a table between what it is of and what it comes to."""
    paragraphs = [
        f"Old: {md.escape(diff.old)}  \nNew: {md.escape(diff.new)}",
        md.bold(md.escape(summary(diff))),
        _table(diff, outcomes),
        "\n".join(f"- {line}" for line in _lines(diff, outcomes)),
    ]
    return "\n\n".join(p for p in paragraphs if p) + "\n"


def _table(diff: Diff, outcomes: Sequence[Outcome]) -> str:
    rows = [
        [md.code(cell.name) if first else "", *_figures(cell, change)]
        for cell in diff.cells
        for first, change in _numbered(shown(cell, outcomes))
    ]
    return md.table(HEADER, rows, left=(0, 1, 5)) if rows else ""


def _numbered(changes: Sequence[Change]) -> Iterator[tuple[bool, Change]]:
    return ((number == 0, change) for number, change in enumerate(changes))


def _figures(cell: CellDiff, change: Change) -> list[str]:
    word = md.bold(change.word) if change.word in SIGNIFICANT else change.word
    if change.verdict and change.word in SIGNIFICANT:
        word += f" ({figures.difference(change.verdict.difference)})"
    return [md.escape(label(cell, change)), *values(change), growth(change), word]


def _lines(diff: Diff, outcomes: Sequence[Outcome]) -> Iterator[str]:
    for rule, how in broken_rules(outcomes):
        yield f"**fails** {md.code(rule)}: {md.escape(how)}"
    yield from (f"{md.code(name)} {md.escape(how)}" for name, how in broken_cells(diff))
    for verdict, rule, why in others(outcomes):
        yield f"**{verdict}** {md.code(rule)}" + (f": {md.escape(why)}" if why else "")
    for which, names in (("old", diff.missing), ("new", diff.added)):
        if names:
            yield f"only in {which}: {text.listed([md.code(n) for n in names], 20)}"
    yield from map(md.escape, diff.notices)
