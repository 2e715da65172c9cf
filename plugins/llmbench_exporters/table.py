"""The table of cells as CSV and as JSON."""

from __future__ import annotations

import json as json_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmbench.store import Comparison

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def csv(comparison: Comparison) -> str:
    """One row per cell; a figure that was not measured is empty."""
    import pandas as pd

    from llmbench.figure import rows

    harmless = [{_harmless(n): _harmless(v) for n, v in row.items()} for row in rows(comparison)]
    # As objects: pandas would turn counts into floats where one of them is missing.
    table = pd.DataFrame(harmless, dtype=object)
    return str(table.to_csv(index=False, lineterminator="\n"))


def json(comparison: Comparison) -> str:
    """The same rows as a JSON list; a figure that was not measured is null."""
    from llmbench.figure import rows

    return json_module.dumps(rows(comparison), indent=1, ensure_ascii=False) + "\n"


def _harmless(value: object) -> object:
    """Text that a spreadsheet would run as a formula, with an apostrophe in front."""
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return "'" + value
    return value
