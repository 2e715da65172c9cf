"""Runs workers through the launcher that was asked for, each within its limit.

A worker that runs out of time writes its stacks to its log by itself; then it is asked to end,
which gives it its record, and if it does not, it is ended with all that it started.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal

from llmbench import machine, plugin
from llmbench.errors import ConfigError
from llmbench.files import write_text
from llmbench.plugin.blame import blamed, of_kind
from llmbench.plugin.catalogue import CHOICE
from llmbench.plugin.launcher import CannotLaunch, Launcher
from llmbench.record.events import Event, Notice, PhaseBegun, Say, Started
from llmbench.redact import log as logs
from llmbench.workers.job import EstimateJob, Job
from llmbench.workers.outcome import Outcome

AUTO = "auto"
"""What is asked for where no launcher is named."""
MARGIN_SECONDS = 0.5
"""How long after the limit the worker is asked to end: its stacks are to show where it hung."""
START_SECONDS = 300.0
"""How much longer a worker may take until it starts: the first one waits for imports."""
GRACE_SECONDS = 10.0
"""How long it has then to write its record."""


class Workers:
    """Runs one worker at a time, and blames the launcher by name where that fails."""

    def __init__(self, launchers: Mapping[str, Callable[[], Launcher]]) -> None:
        """What makes launchers, by id: the first is used, the next one where it can run none."""
        self._others = list(launchers.items())
        self._interrupted = False
        self._take_next()

    def run(self, job: Job | EstimateJob, log: Path, listen: Say) -> Outcome:
        """Have a worker do the job, to its end; CannotLaunch where none can be started.

        What the worker prints goes to `log`, out of which is then taken what must not stand there.
        """
        write_text(job.file, job.model_dump_json())
        kills = machine.kills()
        clock = Clock(job.limit_seconds, self._tell, queues=isinstance(job, Job) and job.elsewhere)

        def hear(event: Event) -> None:
            clock.hear(event)
            if isinstance(event, Started) and self._interrupted:
                self._tell("interrupt")  # before, there was no worker that could take it
            listen(event)

        try:
            with clock:
                status = self._run(job.file, log, hear)
        finally:
            logs.clean(log)  # libraries write to it directly
        return Outcome(
            status=status,
            log=log,
            start_seconds=clock.start_seconds,
            limit_seconds=job.limit_seconds if clock.over else None,
            interrupted=self._interrupted,
            out_of_memory=machine.kills() > kills,
        )

    @property
    def interrupted(self) -> bool:
        """Whether workers were asked to end, as the user had asked for that."""
        return self._interrupted

    def interrupt(self) -> None:
        """Ask the running worker to end, or the next one as soon as it has started."""
        self._interrupted = True
        self._tell("interrupt")

    def close(self) -> None:
        """End whatever still runs."""
        self._tell("close")

    def _run(self, job: Path, log: Path, listen: Say) -> int:
        """The exit status of a worker; of the next launcher's where one can run none."""
        while True:
            try:
                with blamed("launcher", self._name, "run"):
                    status = self._launcher.run(job, log, listen)
                    return int(of_kind(status, int, "an exit status"))
            except CannotLaunch as error:
                if not self._others:
                    raise
                following = self._others[0][0]
                reason = f"Cells are started by {following}, as {self._name} cannot: {error.why}."
                listen(Notice(reason=reason))
            self.close()  # first: what has initialised CUDA holds memory of the GPU
            self._take_next()

    def _take_next(self) -> None:
        self._name, make = self._others.pop(0)
        with blamed("launcher", self._name, "starting"):
            self._launcher = make()

    def _tell(self, what: Literal["interrupt", "kill", "close"]) -> None:
        with blamed("launcher", self._name, what):
            getattr(self._launcher, what)()


class Clock:
    """Measures how long one worker takes to start, and ends it when it has had its time."""

    def __init__(
        self,
        limit: float | None,
        tell: Callable[[Literal["interrupt", "kill"]], None],
        queues: bool = False,
    ) -> None:
        """`queues` is whether it waits for a machine first, for as long as that takes."""
        self.start_seconds: float | None = None
        """From the launcher's call until the first phase."""
        self.over = False
        """Whether the worker has had its time."""
        self._limit = limit
        self._tell = tell
        self._queues = queues
        self._began = time.monotonic()
        self._limited_from: float | None = None
        self._ended = threading.Event()
        self._timer: threading.Timer | None = None

    def __enter__(self) -> Clock:
        if not self._queues:
            self._wind(START_SECONDS)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """The worker has ended, also by itself once its time was over: stacks can crash it."""
        if self._limit is not None and self._limited_from is not None:
            self.over |= time.monotonic() - self._limited_from >= self._limit
        self._ended.set()
        self._stop()

    def hear(self, event: Event) -> None:
        """Begin with the limit where the worker has started, and note when its work begins."""
        if isinstance(event, Started):
            self._limited_from = time.monotonic()
            self._wind(MARGIN_SECONDS)
        elif isinstance(event, PhaseBegun) and self.start_seconds is None:
            self.start_seconds = time.monotonic() - self._began

    def _wind(self, extra_seconds: float) -> None:
        """Start the timer anew, if there is a limit."""
        self._stop()
        if self._limit is not None:
            self._timer = threading.Timer(self._limit + extra_seconds, self._end)
            self._timer.daemon = True
            self._timer.start()

    def _stop(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer.join()

    def _end(self) -> None:
        """The time is over: see to it that the worker ends."""
        self.over = True
        with contextlib.suppress(Exception):  # whatever a launcher raises, the worker is to end
            self._tell("interrupt")
        if not self._ended.wait(GRACE_SECONDS):
            self._tell("kill")


def make_workers(name: str, once: bool = False) -> Workers:
    """What runs workers through the launcher of that name; `auto` takes what suits the machine.

    `once` is for a single job: of those, the last resort prepares nothing and starts at once.
    """
    names = [name] if name != AUTO else automatic()
    return Workers({n: plugin.registry().launchers.get(n) for n in (names[-1:] if once else names)})


def automatic() -> list[str]:
    """The launchers that `auto` takes on this machine, the first choice first."""
    ranks = {}
    for name, launcher in plugin.registry().launchers.items().items():
        rank = vars(launcher).get("automatic")  # what builds on another does not ask for its place
        with blamed("launcher", name, "available"):
            if rank is not None and launcher.available():
                ranks[name] = rank
    if not ranks:
        raise ConfigError(f"Nothing can start cells here: see what {CHOICE} leaves out.")
    return sorted(ranks, key=ranks.__getitem__)
