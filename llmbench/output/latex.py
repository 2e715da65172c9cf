r"""The comparison as a LaTeX table, for papers: booktabs, to be had with \input."""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmbench.output.brief import INTERVALS, MARKED, SPREADS, VERSIONS, Brief, Line, brief
from llmbench.output.table import Value
from llmbench.record.comparison import Comparison
from llmbench.text import DASH, clean
from llmbench.units import MINUS

COMMANDS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    "[": "{[}",  # behind a line break it would start that command's argument
    "]": "{]}",
    MINUS: "$-$",
    DASH: "--",
    "…": r"\ldots{}",
    "·": r"\textperiodcentered{}",
}
SPECIAL = re.compile("[" + re.escape("".join(COMMANDS)) + "]")
TEMPLATE = r"""% Needs \usepackage{{booktabs}} and \usepackage[T1]{{fontenc}}.
\begin{{table}}
\centering
\caption{{{caption}}}
\label{{tab:llmbench}}
\begin{{tabular}}{{{columns}}}
\toprule
{header} \\
\midrule
{rows}
\bottomrule
\end{{tabular}}
\end{{table}}
"""


def latex(comparison: Comparison) -> str:
    """A table with a caption that says what was run."""
    summary = brief(comparison)
    return TEMPLATE.format(
        caption=escape(" ".join(_caption(summary))),
        columns="l" + "r" * (len(summary.header) - 2) + "l",
        header=" & ".join(map(escape, summary.header)),
        rows="\n".join(map(_row, summary.lines)),
    )


def citation(comparison: Comparison) -> str:
    """The comparison as an entry for BibTeX: what was run on what, with which versions."""
    header = comparison.header
    models = dict.fromkeys(p.cell.model.id for p in header.plan.cells)
    environment = header.environment
    versions = ", ".join(
        f"{p} {environment.versions[p]}" for p in VERSIONS if p in environment.versions
    )
    key = re.sub("[^A-Za-z0-9]+", "-", header.name).strip("-") or "comparison"
    return (
        f"@misc{{{key},\n"
        f"  title = {{Ways of fine-tuning {escape(', '.join(models))}, compared}},\n"
        f"  year = {{{escape(header.created_at[:4])}}},\n"
        f"  howpublished = {{{escape(f'{versions}; {environment.device_name}')}}},\n"
        f"  note = {{{escape(header.command)}}}\n"
        "}"
    )


def escape(text: str) -> str:
    """Text in one line, with nothing in it that LaTeX takes for a command."""
    line = " ".join(clean(text).split())
    return SPECIAL.sub(lambda match: COMMANDS[match[0]], line)


def _caption(summary: Brief) -> Iterator[str]:
    yield from summary.run
    if summary.marked:
        yield MARKED
    yield SPREADS if any(v.spread for line in summary.lines for v in line.figures) else INTERVALS


def _row(line: Line) -> str:
    cells = [rf"\texttt{{{escape(line.name)}}}", *map(_figure, line.figures), escape(line.status)]
    return rf"{' & '.join(cells)} \\"


def _figure(value: Value) -> str:
    text = escape(value.text)
    text = rf"\textbf{{{text}}}" if value.mark else text
    if value.spread:
        return rf"{text} $\pm$ {escape(value.spread)}"
    return " ".join(filter(None, [text, escape(value.detail)]))
