"""Live tracking: every step as a line that Weights & Biases, or anything else, can follow."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llmbench import hookimpl
from llmbench.plugin.listener import Listener
from llmbench.record.events import Event, LossValidated, StepTaken
from llmbench.record.record import Cell, Record

LLMBENCH_HOOKS = 1


class WandbLines(Listener):
    """Writes `wandb.jsonl`, flushed with every line. With the `wandb` package at hand, `_log` is
    where `wandb.init(mode="offline")` and `run.log(...)` would stand."""

    id = "wandb-lines"
    summary = "every step as a line of JSON in wandb.jsonl, while it happens"

    def start(self, directory: Path) -> None:
        """Go on where an earlier run of the same comparison ended."""
        self._file = (directory / "wandb.jsonl").open("a", encoding="utf-8")

    def event(self, event: Event, cell: Cell | None) -> None:
        """Losses and speed of a training."""
        if cell is None:
            return
        if isinstance(event, StepTaken):
            speed = {"train/tokens_per_second": event.tokens_per_second}
            self._log(cell, event.step, {"train/loss": event.loss, **speed})
        elif isinstance(event, LossValidated):
            self._log(cell, event.step, {"validation/loss": event.loss})

    def record(self, record: Record) -> None:
        """How the cell ended."""
        self._log(record.cell, len(record.steps), {"status": record.status})

    def finish(self) -> None:
        """Nothing more will be said."""
        self._file.close()

    def _log(self, cell: Cell, step: int, values: dict[str, Any]) -> None:
        line = {"run": cell.id, "_step": step, "_timestamp": time.time(), **values}
        print(json.dumps(line), file=self._file, flush=True)


@hookimpl
def register_listeners(register: Callable[[type[Listener]], None]) -> None:
    """Offer `wandb-lines`."""
    register(WandbLines)
