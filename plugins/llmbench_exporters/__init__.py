"""The built-in exporters."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from llmbench import hookimpl
from llmbench.plugin.exporter import Exporter

if TYPE_CHECKING:
    from llmbench.record.comparison import Comparison


@hookimpl
def register_exporters(register: Callable[[Exporter], None]) -> None:
    """Offer `csv`, `json`, `html`, `markdown`, `latex`, `summary-csv` and `summary-json`."""
    register(Exporter("csv", "a row per cell, for spreadsheets and pandas", "results.csv", as_csv))
    register(Exporter("json", "the same rows, typed", "results.json", as_json))
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
    csv_row = "a row per method: mean, sd, interval and seeds of each figure, and its verdict"
    register(Exporter("summary-csv", csv_row, "summary.csv", as_summary_csv, always=False))
    json_rows = "the same rows, typed"
    register(Exporter("summary-json", json_rows, "summary.json", as_summary_json, always=False))


# What renders is imported once there is something to render, and by a name of its own: a
# submodule takes its name in the package for itself.


def as_csv(comparison: Comparison) -> str:
    """A row per cell."""
    from llmbench.output.csv_json import csv

    return csv(comparison)


def as_json(comparison: Comparison) -> str:
    """The same rows, typed."""
    from llmbench.output.csv_json import json

    return json(comparison)


def as_html(comparison: Comparison) -> str:
    """The report."""
    from llmbench.output.html.page import render

    return render(comparison)


def as_markdown(comparison: Comparison) -> str:
    """The main figures and the answer."""
    from llmbench.output.markdown import markdown

    return markdown(comparison)


def as_latex(comparison: Comparison) -> str:
    """The main figures."""
    from llmbench.output.latex import latex

    return latex(comparison)


def as_summary_csv(comparison: Comparison) -> str:
    """A row per method."""
    from llmbench.output.summary import csv

    return csv(comparison)


def as_summary_json(comparison: Comparison) -> str:
    """The same rows, typed."""
    from llmbench.output.summary import json

    return json(comparison)
