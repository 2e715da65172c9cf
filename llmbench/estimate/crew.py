"""Several workers at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue

from llmbench.launcher import Event, Launcher


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
