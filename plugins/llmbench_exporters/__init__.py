"""The built-in exporters."""

from collections.abc import Callable

from llmbench import hookimpl
from llmbench.exporter import Exporter
from llmbench_exporters.table import csv, json


@hookimpl
def register_exporters(register: Callable[[Exporter], None]) -> None:
    """Offer `csv` and `json`."""
    register(Exporter("csv", "a row per cell, for spreadsheets and pandas", "results.csv", csv))
    register(Exporter("json", "the same rows, typed", "results.json", json))
