"""A diff as JSON, for other programs: every figure, in its own unit."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from llmbench.analysis.diff.change import Change
from llmbench.analysis.diff.compare import CellDiff, Diff
from llmbench.analysis.diff.rule import Outcome


def data(diff: Diff, outcomes: Sequence[Outcome]) -> str:
    """The diff as a JSON object."""
    content = {
        "old": diff.old,
        "new": diff.new,
        "notices": diff.notices,
        "cells": [_cell(c) for c in diff.cells],
        "only_in_old": diff.missing,
        "only_in_new": diff.added,
        "rules": [_rule(o) for o in outcomes],
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _cell(cell: CellDiff) -> dict[str, Any]:
    made = cell.pair.new.cell
    return {
        "composition": made.composition,
        "model": made.model.id,
        "task": made.task,
        "seeds": [r.cell.seed for r in cell.pair.new.records],
        "fit": made.fit.name if made.fit else None,
        "old_status": cell.pair.old.ending(),
        "new_status": cell.pair.new.ending(),
        "broken": cell.broken or None,
        "figures": {c.figure.id: _change(c) for c in cell.changes},
    }


def _change(change: Change) -> dict[str, Any]:
    both = change.old is not None and change.new is not None
    data: dict[str, Any] = {
        "old": change.old,
        "new": change.new,
        "change": change.absolute if both else None,
        "change_percent": change.percent if both and math.isfinite(change.percent) else None,
        "verdict": change.word,
    }
    if change.verdict:
        difference = change.verdict.difference
        data |= {"interval": [difference.low, difference.high], "p_value": change.verdict.p_value}
    return data


def _rule(outcome: Outcome) -> dict[str, Any]:
    return {
        "rule": outcome.rule.text,
        "figure": outcome.rule.figure_id,
        "verdict": "broken" if outcome.broken_by else "held" if outcome.judged else "not judged",
        "broken_by": [c.name for c, _ in outcome.broken_by],
        "not_judged": outcome.unjudged,
    }
