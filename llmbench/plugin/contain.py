"""Loading a plugin without letting it change the process that everybody else works in."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

from llmbench.quiet import quiet

HANDLED = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def contained() -> Iterator[None]:
    """Leave standard output, working directory and signal handlers as the block found them."""
    with quiet(), _same_directory(), _same_handlers():
        yield


@contextlib.contextmanager
def _same_directory() -> Iterator[None]:
    try:
        directory = os.getcwd()
    except OSError:  # it was removed
        yield
        return
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.chdir(directory)


@contextlib.contextmanager
def _same_handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in HANDLED}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # else it is not Python's to restore
                signal.signal(number, handler)
