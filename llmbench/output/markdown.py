"""The comparison as Markdown, for pull requests and READMEs, and what any Markdown is made of.

GitHub and others render it: what is not meant as markup is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from llmbench.output.brief import INTERVALS, MARKED, Brief, brief
from llmbench.output.table import Value
from llmbench.record.comparison import Comparison
from llmbench.text import clean

SPECIAL = re.compile(r"([\\`*_\[\]~#|])")
ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;"})
LIST_START = re.compile(r"^(?:[-+]|(\d+)(?=[.)]))")
UNSAFE_IN_CODE = re.compile(r"[`|\\]")
MARKUP = re.compile(r"[^\w .:+-]|_")


def escape(text: str) -> str:
    """Text in one line, with nothing in it that renders as anything but itself."""
    return _unlisted(_plain(_line(text)))


def code(text: str) -> str:
    """A name as code. One with a backtick, a bar or a backslash needs HTML: tables split on bars.

    A code span shows its text as it is, so that neither HTML nor a mention of a user gets out.
    """
    line = _line(text)
    if not line:
        return ""
    if not UNSAFE_IN_CODE.search(line):
        return f"`{line}`"
    escaped = MARKUP.sub(lambda match: f"&#{ord(match[0])};", line)
    return f"<code>{escaped}</code>"


def prose(text: str) -> str:
    """Text in which backticks stand around names."""
    pieces = _line(text).split("`")
    drawn = (code(piece) if odd % 2 else _plain(piece) for odd, piece in enumerate(pieces))
    return _unlisted("".join(drawn))


def bold(text: str) -> str:
    """Markdown in bold."""
    return f"**{text}**" if text else ""


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[int]) -> str:
    """A table of cells that are Markdown; columns are aligned to the right, but for those named."""
    rules = [":---" if number in left else "---:" for number in range(len(header))]
    return "\n".join(f"| {' | '.join(row)} |" for row in [header, rules, *rows])


def _plain(line: str) -> str:
    return SPECIAL.sub(r"\\\1", line).translate(ENTITIES)


def _unlisted(line: str) -> str:
    """The line, not to be taken for an item of a list."""
    return LIST_START.sub(lambda m: f"{m[1]}\\" if m[1] else f"\\{m[0]}", line)


def _line(text: str) -> str:
    return " ".join(clean(text).split())


def markdown(comparison: Comparison) -> str:
    """A table, the answer below it, what was run, and what to know."""
    summary = brief(comparison)
    lead, *rest = map(prose, summary.answer)
    paragraphs = [
        _table(summary),
        _listed(_causes(summary)),
        " ".join([bold(lead), *rest]),
        "  \n".join(map(escape, summary.run)),
        _listed(map(prose, summary.notices)),
    ]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph) + "\n"


def _table(summary: Brief) -> str:
    if not summary.lines:
        return ""
    rows = [
        [code(line.name), *map(_figure, line.figures), escape(line.status)]
        for line in summary.lines
    ]
    header = [escape(label) for label in summary.header]
    drawn = table(header, rows, left=(0, len(header) - 1))
    return f"{drawn}\n\n{MARKED} {INTERVALS}" if summary.marked else drawn


def _figure(value: Value) -> str:
    text = bold(value.text) if value.mark else value.text
    return f"{text} {value.detail}" if value.detail else text


def _causes(summary: Brief) -> Iterator[str]:
    """How the cells that are not well came to that."""
    return (f"{code(line.name)}: {prose(line.cause)}" for line in summary.lines if line.cause)


def _listed(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)
