"""A row per method, over its seeds: plain numbers for spreadsheets and programs.

The figures are those of the page's table, `llmbench.output.methods`.
"""

from __future__ import annotations

from collections.abc import Mapping
from json import dumps
from typing import Any

from llmbench import text
from llmbench.analysis.judging import stand
from llmbench.analysis.standing import Standing
from llmbench.analysis.statistics.verdict import Verdict
from llmbench.output.csv_json import GIVEN_UP, lines
from llmbench.output.methods import table
from llmbench.output.table import Table
from llmbench.record.comparison import Comparison
from llmbench.record.variant import Variant
from llmbench.wording.answer import answer

OF_FIGURES = ("sd", "low", "high", "n")
"""Columns beside each figure's mean: standard deviation over the seeds, the 95 % interval's ends,
and how many seeds it was measured of."""


def csv(comparison: Comparison) -> str:
    """The rows as CSV; what is not known is empty."""
    return lines(rows(stand(comparison)))


def json(comparison: Comparison) -> str:
    """The rows as a JSON list; what is not known is null."""
    return dumps(rows(stand(comparison)), indent=1, ensure_ascii=False) + "\n"


def rows(standing: Standing, cells: Table | None = None) -> list[dict[str, Any]]:
    """What each method is, how it stands to the best and to the untrained model, its figures.

    `cells` is the table of all methods, where it has been worked out.
    """
    whole = cells or table(standing, answer(standing).pick, frozenset())
    lines = []
    for variant, shown in zip(standing.variants, whole.rows, strict=True):
        row: dict[str, Any] = {
            "method": shown.name,
            "model": text.clean(variant.cell.model.id),
            "task": text.clean(variant.cell.task),
            "seeds": len(variant.counted),
            "status": shown.status,
            "picked": shown.picked,
            "verdict": "best" if variant is standing.best else standing.word(variant),
            **_difference("vs_best", standing.verdicts, variant),
            **_difference("vs_base", standing.against_base, variant),
            **_given_up(standing, variant),
            "learning_rate": variant.cell.settings.learning_rate if variant.cell.trains else None,
        }
        for column, value in zip(whole.columns, shown.values, strict=True):
            if column.id:
                row[column.id] = value.number
                numbers = (value.sd, value.low, value.high, value.count)
                row |= {f"{column.id}_{n}": v for n, v in zip(OF_FIGURES, numbers, strict=True)}
        lines.append(row)
    return lines


def _given_up(standing: Standing, variant: Variant) -> dict[str, int | None]:
    """Of a comparison with a time budget, after how many seeds a method was given up."""
    given = standing.given_up.get(variant.id)
    return {GIVEN_UP: given.seeds if given else None} if standing.time_budget else {}


def _difference(
    name: str, verdicts: Mapping[str, Verdict], variant: Variant
) -> dict[str, float | None]:
    """A difference of quality, and the ends of its 95 % interval."""
    verdict = verdicts.get(variant.id)
    if verdict is None:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"))
    interval = verdict.difference
    numbers = (interval.estimate, interval.low, interval.high)
    return dict(zip((name, f"{name}_low", f"{name}_high"), numbers, strict=True))
