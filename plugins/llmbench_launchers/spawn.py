"""A new Python for each cell: slower to start, and to be had on every platform."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from llmbench.launcher import Event, Launcher
from llmbench_launchers.process import end_group, events, worker_environment

if TYPE_CHECKING:
    import subprocess


class Spawn(Launcher):
    """Runs `python -m llmbench.worker` for each cell."""

    id = "spawn"
    summary = "a new Python process for every cell (any platform)"

    def __init__(self) -> None:
        self._worker: subprocess.Popen[bytes] | None = None

    def run(self, job: Path, log: Path, on_event: Callable[[Event], None]) -> int:
        """Start a worker for the job, and follow it to its end."""
        import subprocess

        self._worker = subprocess.Popen(
            [sys.executable, "-m", "llmbench.worker", str(job), str(log)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=worker_environment(),
            start_new_session=sys.platform != "win32",
        )
        for event in events(self._worker):
            on_event(event)
        return self._worker.wait()

    def interrupt(self) -> None:
        """Ask the running worker to end and write its record."""
        if self._worker and self._worker.poll() is None:
            self._worker.send_signal(signal.SIGINT)

    def close(self) -> None:
        """End a worker that still runs."""
        if self._worker and self._worker.poll() is None:
            end_group(self._worker.pid)
            self._worker.wait()
