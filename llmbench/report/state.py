"""What the page's script needs: the figures to choose among, and the rows to download."""

from __future__ import annotations

import json
import math
from typing import Any

from markupsafe import Markup

from llmbench.figure import BY_ID, peak_memory, rows
from llmbench.format import size
from llmbench.report import words
from llmbench.report.chart import bytes_unit
from llmbench.report.field import speed
from llmbench.report.standing import Standing, pairs
from llmbench.store import Comparison

# Characters that could end a script element, start a comment in one, or end a line of script.
ESCAPES = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def state(comparison: Comparison, standing: Standing, judged: bool) -> Markup:
    """The data as JSON that is safe inside a script element.

    `judged` is whether quality is a ground to choose on.
    """
    table = rows(comparison)
    columns = list(table[0]) if table else []
    data = {
        "name": words.clean(comparison.header.name),
        "columns": columns,
        "rows": [[_finite(row[c]) for c in columns] for row in table],
        "choice": _choice(standing, judged),
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(words.clean(text.translate(ESCAPES)))


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _choice(standing: Standing, judged: bool) -> dict[str, Any]:
    """Cells that compete, in the order of the table, each with its figures and how they read."""
    numbers = {r.cell.id: n for n, r in enumerate(standing.records, start=1)}
    largest = max((peak_memory(r) or 0.0 for r in standing.competing), default=0.0)
    unit, factor = bytes_unit(largest)
    cells = []
    for record in standing.competing:
        memory, rate = peak_memory(record) or 0.0, speed(record) or 0.0
        quality, spread = standing.quality_of(record), standing.speed.get(record.cell.id)
        cells.append(
            {
                "cell": numbers[record.cell.id],
                "name": standing.names[record.cell.id],
                "quality": quality,
                "qualityText": ""
                if quality is None or not standing.score
                else words.figure_value(standing.score, quality),
                "memory": memory,
                "memoryText": size(memory),
                "speed": rate,
                "slow": spread.low if spread else rate,
                "fast": spread.high if spread else rate,
                "speedText": words.figure_value(BY_ID["train_tokens_per_second"], rate),
            }
        )
    return {
        "score": standing.score.label if standing.score and judged else None,
        "memoryWord": standing.memory_word,
        "unit": unit,
        "unitBytes": factor,
        "cells": cells,
        "level": pairs(standing) if judged else {},
    }
