"""Fork each cell from one process that has imported torch: a cell starts in well under 2 s."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from llmbench.launcher import Event, Launcher
from llmbench_launchers.process import end_group, events, worker_environment


class Fork(Launcher):
    """Starts the process to fork from at once, so that it imports while the parent reads data."""

    id = "fork"
    summary = "one process imports torch, every cell is forked from it (Linux)"

    def __init__(self) -> None:
        import subprocess  # here, since every command of llmbench's imports this module
        import tempfile

        self._chatter = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._zygote = subprocess.Popen(
            [sys.executable, "-m", "llmbench.worker.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._chatter,
            env=worker_environment(),
            start_new_session=True,
        )
        self._child: int | None = None
        self._interrupted = False

    def run(self, job: Path, log: Path, on_event: Callable[[Event], None]) -> int:
        """Have a child forked for the job, and follow it to its end."""
        assert self._zygote.stdin
        try:
            self._zygote.stdin.write(
                json.dumps({"job": str(job), "log": str(log)}).encode() + b"\n"
            )
            self._zygote.stdin.flush()
        except BrokenPipeError:
            return self._gone(log)
        for event in events(self._zygote):
            if event["event"] == "child":
                self._child = event["pid"]
                if self._interrupted:  # asked for before there was a child to send it to
                    self.interrupt()
            elif event["event"] == "exit":
                self._child = None
                return int(event["status"])
            else:
                on_event(event)
        return self._gone(log)

    def interrupt(self) -> None:
        """Ask the running child to end and write its record."""
        self._interrupted = True
        if self._child:
            os.kill(self._child, signal.SIGINT)

    def _gone(self, log: Path) -> int:
        """The process to fork from has ended: keep its last words in the cell's log."""
        status = self._zygote.wait()
        self._chatter.seek(0)
        with log.open("ab") as file:
            file.write(self._chatter.read())
        return status

    def close(self) -> None:
        """End the process that cells are forked from, and the cell that runs."""
        for leader in (self._child, self._zygote.pid):
            if leader and self._zygote.poll() is None:
                end_group(leader)
        self._zygote.wait()
        self._chatter.close()
