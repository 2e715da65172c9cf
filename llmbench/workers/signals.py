"""What Ctrl-C, SIGTERM and the closing of a terminal do to a comparison, whenever they come."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType

from llmbench.errors import Stop
from llmbench.plugin.launcher import Launcher
from llmbench.record.events import Interrupted as Asked
from llmbench.record.events import Say
from llmbench.storage.store import Store

HANGUP: signal.Signals | None = getattr(signal, "SIGHUP", None)
"""What the closing of a terminal sends; Windows has none."""

Handle = Callable[[int, FrameType | None], None]


class Interrupted(Exception):
    """The user ended the comparison; what was measured is in the store."""

    def __init__(self, store: Store) -> None:
        super().__init__("interrupted")
        self.store = store


class Ending:
    """Hears of the end while no cell runs.

    Before the first there is nothing to keep, and it comes at once. After the last the report is
    written first; a second time ends that too, but for a closed terminal, which may say so twice.
    """

    def __init__(self) -> None:
        self.writing = False
        """Whether there are records by now, to be written as a report."""
        self.count = 0
        """How often the end was asked for."""

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Take the signal."""
        if number == HANGUP and self.count:
            return
        self.count += 1
        if self.count > 1 or not self.writing:
            raise Stop


@contextlib.contextmanager
def interruptions(
    launcher: Launcher, on_event: Say = lambda event: None
) -> Iterator[Callable[[], bool]]:
    """While the block runs, Ctrl-C or SIGTERM ends the running cell; a second one, everything.

    So does a terminal that is closed, which may say so twice, unless it is to be outlived (nohup).
    Tells `on_event`, from within the signal handler: no place to write to a file. Hands out a
    function that tells whether there was one.
    """
    count = 0

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal count
        if number == HANGUP and count:
            return
        count += 1
        if count > 1:
            launcher.close()
            raise Stop
        on_event(Asked())
        launcher.interrupt()

    with heeded(handle):
        yield lambda: count > 0


@contextlib.contextmanager
def heeded(handle: Handle) -> Iterator[None]:
    """While the block runs, have each signal that asks for the end handled so."""
    ends = [signal.SIGINT, signal.SIGTERM]
    if HANGUP and signal.getsignal(HANGUP) != signal.SIG_IGN:
        ends.append(HANGUP)
    before = {s: signal.signal(s, handle) for s in ends}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
