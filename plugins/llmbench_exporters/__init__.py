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
    """Offer `csv`, `json` and `html`."""
    register(Exporter("csv", "a row per cell, for spreadsheets and pandas", "results.csv", csv))
    register(Exporter("json", "the same rows, typed", "results.json", json))
    register(Exporter("html", "the report, one page that needs no network", "report.html", html))


def html(comparison: Comparison) -> str:
    """The report. Its modules are imported once there is something to render."""
    from llmbench.report import render

    return render(comparison)
