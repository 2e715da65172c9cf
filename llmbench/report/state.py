"""What the page's script needs: the figures to choose among, and the rows to download."""

from __future__ import annotations

import json
import math
from typing import Any

from markupsafe import Markup

from llmbench.arm import Arm
from llmbench.figure import rows
from llmbench.format import size
from llmbench.report import field, phrase, words
from llmbench.report.chart import bytes_unit
from llmbench.report.standing import Standing, quality_pairs, speed_pairs
from llmbench.store import Comparison

# Characters that could end a script element, start a comment in one, or end a line of script.
ESCAPES = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def state(comparison: Comparison, standing: Standing, judged: bool) -> Markup:
    """The data of all cells as JSON that is safe inside a script element.

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
    """What competes, in the order of the table, each with its figures and how they read."""
    largest = max((field.memory(arm) or 0.0 for arm in standing.competing), default=0.0)
    unit, factor = bytes_unit(largest)
    return {
        "score": standing.score.label if standing.score and judged else None,
        "memoryWord": standing.memory_word,
        "unit": unit,
        "unitBytes": factor,
        "cells": [_figures(arm, standing) for arm in standing.competing],
        "level": quality_pairs(standing) if judged else {},
        "swift": speed_pairs(standing),
    }


def _figures(arm: Arm, standing: Standing) -> dict[str, Any]:
    memory, rate = field.memory(arm) or 0.0, field.speed(arm)
    quality = standing.quality_of(arm)
    return {
        "cell": standing.numbers[arm.id],
        "name": standing.names[arm.id],
        "quality": quality,
        "qualityText": "" if quality is None else phrase.quality(standing, arm),
        "memory": memory,
        "memoryText": size(memory),
        "speed": rate or 0.0,
        "speedText": phrase.speed(arm) if rate else "",
    }
