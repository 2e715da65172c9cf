"""A launcher that keeps time: how long a worker took to start, and when it has had enough.

A worker that runs out of time writes its stacks to its log by itself; then it is asked to end,
which gives it its record, and if it does not, it is ended with all that it started.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue

from llmbench import machine, plugin, redact
from llmbench.plugin.blame import Amiss, blamed
from llmbench.plugin.launcher import Launcher
from llmbench.record.events import Event, PhaseBegun, Started
from llmbench.record.record import Record, Shortage
from llmbench.units import spoken_duration
from llmbench.workers.auto import Auto

MARGIN_SECONDS = 0.5
"""How long after the limit the worker is asked to end: its stacks are to show where it hung."""
START_SECONDS = 300.0
"""How much longer a worker may take until it starts: the first one waits for imports."""
GRACE_SECONDS = 10.0
"""How long it has then to write its record."""
STACKS = "Timeout ("
"""How the stacks begin that a worker writes to its log, see `faulthandler`."""
MOST_STACKS = 8000
"""Characters kept of them in the record."""


class Timed(Launcher):
    """Runs workers through another launcher, with a limit on each."""

    id, summary = "timed", "another launcher, with a limit on each cell"

    def __init__(self, inner: Launcher, limit_seconds: float | None = None) -> None:
        self._inner = inner
        self._limit = limit_seconds
        self._asked_to_end = False
        self._over = False
        self._start_seconds: float | None = None
        self._limited_from: float | None = None
        """When the clock of the limit began to run."""
        self._kills = 0
        """How many processes the system had ended for lack of memory when the worker started."""
        self._ended = threading.Event()
        self._clock: threading.Timer | None = None

    def run(self, job: Path, log: Path, on_event: Callable[[Event], None]) -> int:
        """Run the worker, and end it when its time is over."""
        self._over, self._start_seconds, self._kills = False, None, machine.kills()
        self._limited_from = None
        self._ended.clear()
        began = time.monotonic()

        def hear(event: Event) -> None:
            if isinstance(event, Started):
                self._limited_from = time.monotonic()
                self._wind(MARGIN_SECONDS)
                if self._asked_to_end:  # before there was a worker that could take it
                    self._inner.interrupt()
            elif isinstance(event, PhaseBegun) and self._start_seconds is None:
                self._start_seconds = time.monotonic() - began
            on_event(event)

        self._wind(START_SECONDS)
        try:
            return self._inner.run(job, log, hear)
        finally:
            # Also one that ended by itself by then: writing its stacks can crash a process.
            self._over |= self._late()
            self._ended.set()
            self._stop()

    def _late(self) -> bool:
        """Whether the worker had had its time."""
        if self._limit is None or self._limited_from is None:
            return False
        return time.monotonic() - self._limited_from >= self._limit

    @contextlib.contextmanager
    def unlimited(self) -> Iterator[None]:
        """Keep no time while the block runs: what it has done is no cell."""
        limit, self._limit = self._limit, None
        try:
            yield
        finally:
            self._limit = limit

    def interrupt(self) -> None:
        """Ask the running worker to end, or the next one as soon as it has started."""
        self._asked_to_end = True
        self._inner.interrupt()

    def kill(self) -> None:
        """End the running worker at once."""
        self._inner.kill()

    def close(self) -> None:
        """End whatever still runs."""
        self._inner.close()

    def judged(self, record: Record, log: Path) -> Record:
        """The record of the worker that ran last, with its start and, if ended here, its end."""
        record = record.model_copy(update={"start_seconds": self._start_seconds})
        if record.status not in ("interrupted", "killed", "failed"):
            return record
        if self._over:
            return record.model_copy(update=self._timeout(log))
        if record.status == "killed" and machine.kills() > self._kills:
            return record.model_copy(update=self._no_memory())
        if self._asked_to_end and record.status == "failed":
            # Whatever it said: it failed because it was made to stop in the middle of something.
            update = {"status": "interrupted", "reason": "Interrupted by the user."}
            return record.model_copy(update=update)
        return record

    def _timeout(self, log: Path) -> dict[str, str | None]:
        reason = (
            f"The cell took longer than {spoken_duration(self._limit or 0)}: see in its log where "
            "it was, or give it more with --cell-timeout."
        )
        return {"status": "timeout", "reason": reason, "traceback": stacks(log)}

    def _no_memory(self) -> dict[str, str | Shortage]:
        found = Shortage(where="host", total_bytes=machine.room().total_bytes)
        return {"status": "oom", "reason": "The host's memory ran out.", "shortage": found}

    def _wind(self, extra_seconds: float) -> None:
        """Start the clock anew, if there is a limit."""
        self._stop()
        if self._limit is not None:
            self._clock = threading.Timer(self._limit + extra_seconds, self._end)
            self._clock.daemon = True
            self._clock.start()

    def _stop(self) -> None:
        if self._clock:
            self._clock.cancel()
            self._clock.join()

    def _end(self) -> None:
        """The time is over: see to it that the worker ends."""
        self._over = True
        with contextlib.suppress(Exception):  # whatever a launcher raises, the worker is to end
            self._inner.interrupt()
        if not self._ended.wait(GRACE_SECONDS):
            self._inner.kill()


def stacks(log: Path) -> str | None:
    """Every thread's stack as the worker wrote it to its log when its time was over."""
    try:
        text = log.read_text("utf-8", errors="replace")
    except OSError:
        return None
    start = text.rfind(STACKS)
    return None if start < 0 else redact.text(text[start:])[-MOST_STACKS:]


class Crew(Launcher):
    """Runs as many jobs at a time as it has launchers, each called from a thread of its own."""

    id, summary = "crew", "several launchers, a job at a time each"

    def __init__(self, launchers: Sequence[Launcher]) -> None:
        self._all = launchers
        self._idle: SimpleQueue[Launcher] = SimpleQueue()
        for launcher in launchers:
            self._idle.put(launcher)

    def run(self, job: Path, log: Path, on_event: Callable[[Event], None]) -> int:
        """Run the job on an idle launcher, once there is one."""
        launcher = self._idle.get()
        try:
            return launcher.run(job, log, on_event)
        finally:
            self._idle.put(launcher)

    def interrupt(self) -> None:
        """Ask every running worker to end."""
        for launcher in self._all:
            launcher.interrupt()

    def close(self) -> None:
        """End whatever still runs."""
        for launcher in self._all:
            launcher.close()


class Watched(Launcher):
    """A launcher that is named where it fails."""

    def __init__(self, name: str, make: Callable[[], Launcher]) -> None:
        self._name = name
        with blamed("launcher", name, "starting"):
            self._launcher = make()

    def run(self, job: Path, log: Path, on_event: Callable[[Event], None]) -> int:
        """Run the worker; what is no exit status is a failure too."""
        with blamed("launcher", self._name, "run"):
            status = self._launcher.run(job, log, on_event)
            if not isinstance(status, int):
                raise Amiss(f"it returned {status!r}, which is no exit status")
            return status

    def interrupt(self) -> None:
        """Ask the running worker to end."""
        with blamed("launcher", self._name, "interrupt"):
            self._launcher.interrupt()

    def kill(self) -> None:
        """End the running worker at once."""
        with blamed("launcher", self._name, "kill"):
            self._launcher.kill()

    def close(self) -> None:
        """End whatever still runs."""
        with blamed("launcher", self._name, "close"):
            self._launcher.close()


def make_launcher(name: str, limit_seconds: float | None = None) -> Timed:
    """The launcher of that name, with a limit on each cell; `auto` forks where it can."""

    def make(name: str) -> Launcher:
        return Watched(name, plugin.registry().launchers.get(name))

    return Timed(Auto(make) if name == "auto" else make(name), limit_seconds)
