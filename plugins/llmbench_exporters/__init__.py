"""The built-in exporters."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from llmbench import hookimpl
from llmbench.exporter import Exporter
from llmbench_exporters.table import csv, json

if TYPE_CHECKING:
    from llmbench.store import Comparison


@hookimpl
def register_exporters(register: Callable[[Exporter], None]) -> None:
    """Offer `csv`, `json`, `html`, `markdown` and `latex`."""
    register(Exporter("csv", "a row per cell, for spreadsheets and pandas", "results.csv", csv))
    register(Exporter("json", "the same rows, typed", "results.json", json))
    register(
        Exporter(
            "html",
            "the report, one page that needs no network",
            "report.html",
            as_html,
            printed=False,
        )
    )
    register(
        Exporter(
            "markdown",
            "a table and the answer, for pull requests",
            "results.md",
            as_markdown,
            always=False,
        )
    )
    register(Exporter("latex", "a table for papers", "results.tex", as_latex, always=False))


# What renders is imported once there is something to render, and by a name of its own: a
# submodule takes its name in the package for itself.


def as_html(comparison: Comparison) -> str:
    """The report."""
    from llmbench.report import render

    return render(comparison)


def as_markdown(comparison: Comparison) -> str:
    """The main figures and the answer."""
    from llmbench_exporters.markdown import markdown

    return markdown(comparison)


def as_latex(comparison: Comparison) -> str:
    """The main figures."""
    from llmbench_exporters.latex import latex

    return latex(comparison)
