"""What the page's script needs: the figures to choose among, and the rows to download."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from markupsafe import Markup

from llmbench.analysis import field
from llmbench.analysis.choice import candidates, quality_pairs
from llmbench.analysis.pick import Candidate
from llmbench.analysis.standing import Standing
from llmbench.analysis.statistics.verdict import Word
from llmbench.output import summary
from llmbench.output.csv_json import rows
from llmbench.output.html.charts.chart import bytes_unit
from llmbench.output.table import Table
from llmbench.record.comparison import Comparison
from llmbench.record.figure import BY_ID
from llmbench.record.variant import Variant
from llmbench.text import clean
from llmbench.units import seconds, size
from llmbench.wording import phrases
from llmbench.wording.labels import short_names

# Characters that could end a script element, start a comment in one, or end a line of script.
ESCAPES = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def state(comparison: Comparison, standing: Standing, cells: Table, judged: bool) -> Markup:
    """The data of all cells as JSON that is safe inside a script element.

    `judged` is whether quality is a ground to choose on.
    """
    table = rows(comparison)
    columns = list(table[0]) if table else []
    data = {
        "name": clean(comparison.header.name),
        "columns": columns,
        "rows": [[_finite(row[c]) for c in columns] for row in table],
        "choice": _choice(standing, judged),
        "methods": _methods(standing, cells),
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(clean(text.translate(ESCAPES)))


def _methods(standing: Standing, cells: Table) -> dict[str, Any]:
    """A row for each method, and what its figures are called: to copy, and to draw on any axes."""
    lines = summary.rows(standing, cells)
    names = list(lines[0]) if lines else []
    short = short_names(standing)
    return {
        "names": names,
        "rows": [[_short(_finite(row[n])) for n in names] for row in lines],
        "short": [short[variant.id] for variant in standing.variants],
        "competing": [standing.numbers[variant.id] for variant in standing.competing],
        "figures": {c.id: [c.label, c.better] for c in cells.figures},
    }


def _short(value: Any) -> Any:
    """A number with no more digits than anybody needs."""
    return float(f"{value:.7g}") if isinstance(value, float) else value


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _choice(standing: Standing, judged: bool) -> dict[str, Any]:
    """What competes, in the order of the table, each with its figures and how they read."""
    unit, factor = memory_unit(standing)
    pairs = quality_pairs(standing) if judged else {}
    cells = zip(standing.competing, candidates(standing, pairs), strict=True)
    return {
        "score": standing.score.label if standing.score and judged else None,
        "sign": standing.score.sign if standing.score else 1,
        "memoryWord": standing.memory_word,
        "unit": unit,
        "unitBytes": factor,
        "budget": standing.budget,
        "oneSeed": standing.one_seed,
        "cells": [
            _figures(variant, cell, pairs.get(i, {}), standing)
            for i, (variant, cell) in enumerate(cells)
        ],
    }


def memory_unit(standing: Standing) -> tuple[str, float]:
    """The unit in which the reader gives memory, and how many bytes it is."""
    return bytes_unit(
        max((field.memory(variant) or 0.0 for variant in standing.competing), default=0.0)
    )


def _figures(
    variant: Variant, cell: Candidate, level: Mapping[int, Word], standing: Standing
) -> dict[str, Any]:
    return {
        **asdict(cell),
        "cell": standing.numbers[variant.id],
        "seconds": variant.mean(BY_ID["train_seconds"].of),
        "disk": variant.mean(BY_ID["artifact_bytes"].of),
        "asGood": [i for i, word in level.items() if word == "as good"],
        "qualityText": "" if cell.quality is None else phrases.quality(standing, variant),
        "memoryText": size(cell.memory),
        "speedText": phrases.speed(variant) if cell.speed else "",
        "timeText": seconds(cell.time[0]) if cell.time else "",
    }
