"""A new Python for each cell: slower to start, and to be had on every platform."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from llmbench.launcher import Event, Launcher
from llmbench.run import tree
from llmbench_launchers.process import events, worker_environment

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

        with log.open("ab") as words:  # also what it says before it writes there by itself
            self._worker = subprocess.Popen(
                [*self.command(), str(job), str(log)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=words,
                env=worker_environment(),
                start_new_session=sys.platform != "win32",
            )
        # What the worker started may hold its end of the pipe open after it has gone.
        threading.Thread(target=_end_rest, args=(self._worker.pid,), daemon=True).start()
        for event in events(self._worker):
            on_event(event)
        return self._worker.wait()

    def command(self) -> list[str]:
        """What runs a worker, before its two arguments."""
        return [sys.executable, "-m", "llmbench.worker"]

    def interrupt(self) -> None:
        """Ask the running worker to end and write its record."""
        if self._worker and self._worker.poll() is None:
            self._worker.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End the running worker with all that it started."""
        if self._worker and self._worker.poll() is None:
            tree.end(self._worker.pid)

    def close(self) -> None:
        """End a worker that still runs."""
        if self._worker and self._worker.poll() is None:
            tree.end(self._worker.pid)
            self._worker.wait()


def _end_rest(worker: int) -> None:
    """Wait for the worker to end, and end what it left running."""
    if not hasattr(os, "waitid"):
        return
    with contextlib.suppress(ChildProcessError):  # somebody has waited for it already
        os.waitid(os.P_PID, worker, os.WEXITED | os.WNOWAIT)
        tree.end_group(worker)
