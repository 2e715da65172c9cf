"""What Ctrl-C, SIGTERM and the closing of a terminal do to a run, whenever they come."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any, Protocol

from llmbench.errors import Stop
from llmbench.record.events import Interrupted, Say

HANGUP: signal.Signals | None = getattr(signal, "SIGHUP", None)
"""What the closing of a terminal sends; Windows has none."""


class Endable(Protocol):
    """What is running: `llmbench.workers.launch.Workers`."""

    def interrupt(self) -> None:
        """Ask it to end and to write down what it has."""

    def close(self) -> None:
        """End it at once."""


class Interruption:
    """Hears, while it is entered, that the user asks for the end.

    As long as there is nothing to keep, the end comes at once. From the first worker on, the
    first signal lets what runs write down what it has, and the report be written. A second one ends
    everything, but for that of a closed terminal, which may say so twice. A terminal that is to be
    outlived (nohup) is not heard.
    """

    def __init__(self, listen: Say = lambda event: None) -> None:
        """`listen` is called inside the signal handler, where no file may be written."""
        self.asked = False
        """Whether the end was asked for."""
        self._listen = listen
        self._keeps = False
        """Whether there is something to keep by now."""
        self._running: tuple[Endable, ...] = ()
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interruption:
        ends = [signal.SIGINT, signal.SIGTERM]
        if HANGUP and signal.getsignal(HANGUP) != signal.SIG_IGN:
            ends.append(HANGUP)
        self._before = {number: signal.signal(number, self._handle) for number in ends}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextlib.contextmanager
    def reaching(self, *running: Endable) -> Iterator[None]:
        """Have a signal end what runs in the block; from there on, there is something to keep."""
        self._keeps, self._running = True, running
        try:
            yield
        finally:
            self._running = ()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if number == HANGUP and self.asked:
            return
        if self.asked or not self._keeps:
            for one in self._running:
                one.close()
            raise Stop
        self.asked = True
        self._listen(Interrupted())
        for one in self._running:
            one.interrupt()
