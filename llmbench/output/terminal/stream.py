"""Standard output that may go away: a closed pipe or terminal, a full disk."""

from __future__ import annotations

import contextlib
import os
from typing import Any, TextIO, cast


class Lasting:
    """A text stream that goes on when whoever reads it has gone. What it is told then is lost."""

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
