"""The table of cells as CSV and as JSON."""

from __future__ import annotations

import json as json_module
import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmbench.store import Comparison

FORMULA_STARTS = frozenset("=+-@")
NEEDS_QUOTES = re.compile('[",\r\n]')


def csv(comparison: Comparison) -> str:
    """One row per cell; a figure that was not measured is empty."""
    from llmbench.figure import rows

    found = rows(comparison)
    lines = [list(found[0]) if found else [], *(row.values() for row in found)]
    return "".join(",".join(map(_cell, line)) + "\n" for line in lines)


def json(comparison: Comparison) -> str:
    """The same rows as a JSON list; a figure that was not measured is null."""
    from llmbench.figure import rows

    return json_module.dumps(rows(comparison), indent=1, ensure_ascii=False) + "\n"


def _cell(value: object) -> str:
    """A value as a cell: text that would be run as a formula has an apostrophe in front.

    The report's own download does the same, in `report.js`. Python's `csv` would leave a carriage
    return as it is, and then not read it.
    """
    if value is None:
        return ""
    text = f"'{value}" if isinstance(value, str) and _is_formula(value) else str(value)
    return '"' + text.replace('"', '""') + '"' if NEEDS_QUOTES.search(text) else text


def _is_formula(text: str) -> bool:
    """Whether a spreadsheet may take it for one, which looks past what is not to be seen.

    Some take the signs of full width as well; decomposed, they are the plain ones.
    """
    plain = unicodedata.normalize("NFKD", text)
    return text.startswith(("\t", "\r", "\n")) or _first_seen(plain) in FORMULA_STARTS


def _first_seen(text: str) -> str:
    seen = (c for c in text if not c.isspace() and unicodedata.category(c)[0] != "C")
    return next(seen, "")
