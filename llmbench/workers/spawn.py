"""A new Python for each cell: slower to start, and to be had on every platform."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from llmbench import process
from llmbench.machine import in_order_of_nvml
from llmbench.plugin.launcher import Launcher
from llmbench.record import events
from llmbench.record.events import Event

if TYPE_CHECKING:
    import subprocess


def worker_environment() -> dict[str, str]:
    """Environment variables of a worker."""
    return {
        **in_order_of_nvml(),
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONUNBUFFERED": "1",
        # Threads that spin for long while they wait for one another slow a cell down tenfold when
        # somebody else uses a core; ones that sleep at once cost a third of the speed.
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE"),
        "GOMP_SPINCOUNT": os.environ.get("GOMP_SPINCOUNT", "20000"),
    }


def said_by(process: subprocess.Popen[bytes]) -> Iterator[Event]:
    """Every event that the process writes, until it closes its output."""
    assert process.stdout
    for line in process.stdout:
        event = events.read(line)
        if event:
            yield event


class Spawn(Launcher):
    """Runs `python -m llmbench.worker` for each cell."""

    id = "spawn"
    summary = "a new Python process for every cell (any platform)"
    automatic = 2

    def __init__(self) -> None:
        self._worker: subprocess.Popen[bytes] | None = None

    def run(self, job: Path, log: Path, on_event: Callable[[Event], None]) -> int:
        """Start a worker for the job, and follow it to its end."""
        import subprocess

        with log.open("ab") as output:  # also what it says before it writes there by itself
            self._worker = subprocess.Popen(
                [*self.command(), str(job), str(log)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=output,
                env=worker_environment(),
                start_new_session=sys.platform != "win32",
            )
        # What the worker started may hold its end of the pipe open after it has gone.
        threading.Thread(target=_end_rest, args=(self._worker.pid,), daemon=True).start()
        for event in said_by(self._worker):
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
            process.end(self._worker.pid)

    def close(self) -> None:
        """End a worker that still runs."""
        if self._worker and self._worker.poll() is None:
            process.end(self._worker.pid)
            self._worker.wait()


def _end_rest(worker: int) -> None:
    """Wait for the worker to end, and end what it left running."""
    if not hasattr(os, "waitid"):
        return
    with contextlib.suppress(ChildProcessError):  # somebody has waited for it already
        os.waitid(os.P_PID, worker, os.WEXITED | os.WNOWAIT)
        process.end_group(worker)
