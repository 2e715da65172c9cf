"""Fork each cell from one process that has imported torch: a cell starts in well under 2 s."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING

from llmbench import process
from llmbench.plugin.launcher import CannotLaunch, Launcher
from llmbench.record.events import Event, Exited, Forked, Ready
from llmbench.workers.spawn import said_by, worker_environment

if TYPE_CHECKING:
    import subprocess


class Fork(Launcher):
    """Starts the process to fork from at once, so that it imports while the parent reads data."""

    id = "fork"
    summary = "one process imports torch, every cell is forked from it (Linux)"
    automatic = 1

    @classmethod
    def available(cls) -> bool:
        """On Linux: elsewhere torch does not survive a fork, or there is none."""
        return platform.system() == "Linux"

    def __init__(self) -> None:
        import tempfile  # here, since every command of llmbench's imports this module

        self._chatter: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as this
        self._child: int | None = None
        self._culprit: str | None = None
        """What initialised CUDA when it was imported, once that is known."""
        self._zygote = self._start()

    def run(self, job: Path, log: Path, on_event: Callable[[Event], None]) -> int:
        """Have a child forked for the job, and follow it to its end."""
        self._check()
        if self._zygote.poll() is not None:
            self._zygote = self._start()
        assert self._zygote.stdin
        try:
            self._zygote.stdin.write(
                json.dumps({"job": str(job), "log": str(log)}).encode() + b"\n"
            )
            self._zygote.stdin.flush()
        except BrokenPipeError:
            return self._gone(log)
        for event in said_by(self._zygote):
            match event:
                case Forked():
                    self._child = event.pid
                case Exited():
                    self._child = None
                    return event.status
                case Ready():
                    on_event(event)
                    self._culprit = event.initialised_by
                    self._check()
                case _:
                    on_event(event)
        return self._gone(log)

    def interrupt(self) -> None:
        """Ask the running child to end and write its record."""
        if self._child:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child, signal.SIGINT)

    def kill(self) -> None:
        """End the running child; the process that it was forked from, if there is no child yet."""
        if self._zygote.poll() is None:
            process.end(self._child or self._zygote.pid)

    def close(self) -> None:
        """End the process that cells are forked from, and the cell that runs."""
        for leader in (self._child, self._zygote.pid):
            if leader and self._zygote.poll() is None:
                process.end(leader)
        self._zygote.wait()
        self._chatter.close()

    def _check(self) -> None:
        """CannotLaunch if the process to fork from has initialised CUDA: its children cannot."""
        if self._culprit:
            why = f"importing {self._culprit} initialised CUDA"
            raise CannotLaunch(f"No cell can be forked, since {why}: use --launcher spawn.", why)

    def _start(self) -> subprocess.Popen[bytes]:
        """Start the process to fork from; its last words go to a file that it has for itself."""
        import subprocess

        self._chatter.seek(0)
        self._chatter.truncate()
        return subprocess.Popen(
            [sys.executable, "-m", "llmbench.worker.zygote", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._chatter,
            env=worker_environment(),
            start_new_session=True,
        )

    def _gone(self, log: Path) -> int:
        """The process to fork from has ended: keep its last words in the cell's log.

        Its child has ended with it, but for what the child may have started.
        """
        if self._child:
            process.end_group(self._child)
            self._child = None
        status = self._zygote.wait()
        self._chatter.seek(0)
        with contextlib.suppress(OSError), log.open("ab") as file:  # the disk may be full
            file.write(self._chatter.read())
        return status
