"""The comparison as Markdown, for pull requests and READMEs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from llmbench.output import markdown as md
from llmbench.output.brief import INTERVALS, MARKED, Brief, brief
from llmbench.output.table import Value
from llmbench.record.comparison import Comparison


def markdown(comparison: Comparison) -> str:
    """A table, the answer below it, what was run, and what to know."""
    summary = brief(comparison)
    lead, *rest = map(md.prose, summary.answer)
    paragraphs = [
        _table(summary),
        _listed(_causes(summary)),
        " ".join([md.bold(lead), *rest]),
        "  \n".join(map(md.escape, summary.run)),
        _listed(map(md.prose, summary.notices)),
    ]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph) + "\n"


def _table(summary: Brief) -> str:
    if not summary.lines:
        return ""
    rows = [
        [md.code(line.name), *map(_figure, line.figures), md.escape(line.status)]
        for line in summary.lines
    ]
    header = [md.escape(label) for label in summary.header]
    drawn = md.table(header, rows, left=(0, len(header) - 1))
    return f"{drawn}\n\n{MARKED} {INTERVALS}" if summary.marked else drawn


def _figure(value: Value) -> str:
    text = md.bold(value.text) if value.mark else value.text
    return f"{text} {value.detail}" if value.detail else text


def _causes(summary: Brief) -> Iterator[str]:
    """How the cells that are not well came to that."""
    return (f"{md.code(line.name)}: {md.prose(line.cause)}" for line in summary.lines if line.cause)


def _listed(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)
