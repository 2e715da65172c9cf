"""The comparison as Markdown, for pull requests and READMEs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from llmbench.output import markdown as md
from llmbench.output.brief import INTERVALS, MARKED, Brief, brief
from llmbench.output.table import Value
from llmbench.record.comparison import Comparison


def markdown(comparison: Comparison) -> str:
    """A table, the answer below it, what was run, and what to know."""
    found = brief(comparison)
    lead, *rest = map(md.prose, found.answer)
    parts = [
        _table(found),
        _listed(_causes(found)),
        " ".join([md.bold(lead), *rest]),
        "  \n".join(map(md.escape, found.run)),
        _listed(map(md.prose, found.notices)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(found: Brief) -> str:
    if not found.lines:
        return ""
    rows = [
        [md.code(line.name), *map(_figure, line.figures), md.escape(line.status)]
        for line in found.lines
    ]
    header = [md.escape(label) for label in found.header]
    drawn = md.table(header, rows, left=(0, len(header) - 1))
    return f"{drawn}\n\n{MARKED} {INTERVALS}" if found.marked else drawn


def _figure(value: Value) -> str:
    text = md.bold(value.text) if value.mark else value.text
    return f"{text} {value.detail}" if value.detail else text


def _causes(found: Brief) -> Iterator[str]:
    """How the cells that are not well came to that."""
    return (f"{md.code(line.name)}: {md.prose(line.cause)}" for line in found.lines if line.cause)


def _listed(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)
