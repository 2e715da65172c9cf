"""How a comparison looks while it runs: live on a terminal, lines elsewhere, JSON for machines."""

from __future__ import annotations

import contextlib
import os
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal, Protocol, TextIO, cast

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
    out, err = (
        Console(file=f, highlight=False, markup=False) for f in (stdout, lasting(sys.stderr))
    )
    if mode == "jsonl":
        from llmbench.output.terminal.jsonl import JsonLines

        return JsonLines(stdout)
    if mode == "normal" and out.is_terminal and not out.is_dumb_terminal:
        from llmbench.output.terminal.live import LiveView

        return LiveView(out)
    from llmbench.output.terminal.lines import Lines, Quiet

    return Quiet(out, err) if mode == "quiet" else Lines(out, verbose=mode == "verbose")


class Lasting:
    """A text stream that survives a closed pipe. What is written after that is lost."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text, if there is anybody to read it."""
        try:
            return self._stream.write(text)
        except OSError:
            self._let_go()
            return len(text)

    def flush(self) -> None:
        """Hand on what was written, if there is anybody to read it."""
        try:
            self._stream.flush()
        except OSError:
            self._let_go()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _let_go(self) -> None:
        """Have the stream lead nowhere, also when the interpreter flushes it at its end."""
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


def lasting(stream: TextIO | None) -> TextIO:
    """The stream, made to last; one that leads nowhere where the process was given none."""
    return cast("TextIO", Lasting(stream or open(os.devnull, "w")))
