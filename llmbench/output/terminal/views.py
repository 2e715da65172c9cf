"""How a comparison looks while it runs: live on a terminal, lines elsewhere, JSON for machines."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal, Protocol

from llmbench.output.terminal.stream import lasting
from llmbench.record.comparison import Comparison
from llmbench.record.events import Listener

Mode = Literal["normal", "quiet", "verbose", "jsonl"]


class View(Listener, AbstractContextManager["View"], Protocol):
    """A listener that shows what it hears, from before the first cell until after the last."""

    def finish(self, comparison: Comparison, report: Path, status: int) -> None:
        """The report is written; `status` is the command's exit status."""


def view(mode: Mode) -> View:
    """What suits the mode, and what standard output goes to."""
    from rich.console import Console

    stdout = lasting(sys.stdout)
    out, err = (Console(file=f, highlight=False) for f in (stdout, lasting(sys.stderr)))
    if mode == "jsonl":
        from llmbench.output.terminal.jsonl import JsonLines

        return JsonLines(stdout)
    if mode == "normal" and out.is_terminal and not out.is_dumb_terminal:
        from llmbench.output.terminal.live import LiveView

        return LiveView(out)
    from llmbench.output.terminal.lines import Lines, Quiet

    return Quiet(out, err) if mode == "quiet" else Lines(out, verbose=mode == "verbose")
