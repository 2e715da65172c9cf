"""For machines: every event as a line of JSON on standard output, and nothing else there."""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from llmbench.output.csv_json import fit_columns
from llmbench.record.comparison import Comparison, Plan
from llmbench.record.events import Event, Interrupted
from llmbench.record.figure import FIGURES, scores
from llmbench.record.record import Cell, Record
from llmbench.wording.cautions import cautions


class JsonLines:
    """Each line has `event`, `seconds` since the start and, but for the ends, the `cell`'s id."""

    def __init__(self, out: TextIO | None = None) -> None:
        self.out = out or sys.stdout
        self.began = time.monotonic()
        self.latest: str | None = None
        """The cell that began last, if it still runs."""

    def __enter__(self) -> JsonLines:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is held open."""

    def start(self, plan: Plan, root: Path) -> None:
        """`plan`: the output directory, and every cell with the reason of those to be skipped."""
        cells = [
            {"cell": p.cell.id, "composition": p.cell.composition, "skip": p.skip}
            for p in plan.cells
        ]
        self.say("plan", output=str(root), cells=cells)

    def replan(self, plan: Plan) -> None:
        """`replan`: the cells by their ids, once more have come to them."""
        self.say("replan", cells=[p.cell.id for p in plan.cells])

    def cell(self, cell: Cell) -> None:
        """`cell`: one is about to run."""
        self.latest = cell.id
        self.say("cell", cell=cell.id, composition=cell.composition)

    def event(self, event: Event, cell: Cell | None = None) -> None:
        """What the worker says, as it says it: `start`, `phase`, `step`, `generate`;
        `fit` where a size is tried. Before the first cell, `predicting`, and `unpredicted` with
        the reason where that failed. `notice`: something to know of how cells run."""
        if isinstance(event, Interrupted):
            return  # comes in the middle of whatever is written; the cell's record will tell
        running = cell.id if cell else self.latest
        self.say(event.event, cell=running, **event.model_dump(exclude={"event"}))

    def record(self, record: Record, kept: bool) -> None:
        """`record`: how the cell ended, with all its figures."""
        if self.latest == record.cell.id:
            self.latest = None
        self.say(
            "record",
            cell=record.cell.id,
            composition=record.cell.composition,
            status=record.status,
            phase=record.phase,
            reason=record.reason,
            kept=kept,
            figures={f.id: finite(f.of(record)) for f in (*scores([record]), *FIGURES)},
            **(fit_columns(record) if record.cell.fit else {}),
        )

    def finish(self, comparison: Comparison, report: Path, status: int) -> None:
        """`warning`: each, in words. `end`: the report's path and the exit status."""
        for caution in cautions(comparison.reported.records):
            self.say("warning", reason=caution)
        self.say("end", report=str(report), exit_status=status)

    def say(self, event: str, **fields: Any) -> None:
        """Write a line, at once."""
        line = {"event": event, "seconds": round(time.monotonic() - self.began, 3), **fields}
        self.out.write(json.dumps(line) + "\n")
        self.out.flush()


def finite(value: float | None) -> float | None:
    """The value, or None for NaN and infinity, which JSON does not have."""
    return value if value is not None and math.isfinite(value) else None
