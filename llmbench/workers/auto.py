"""The launcher that is taken where none is asked for: it forks where that works."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path

from llmbench.plugin.launcher import CannotLaunch, Launcher
from llmbench.record.events import Event, Notice


class Auto(Launcher):
    """Forks cells on Linux until it turns out that none can be forked, and spawns them otherwise.

    That is known after the imports: some packages initialise CUDA when they are imported.
    """

    id, summary = "auto", "fork where that can be, else spawn"

    def __init__(self, make: Callable[[str], Launcher]) -> None:
        self._make = make
        self._launcher = make("fork" if platform.system() == "Linux" else "spawn")

    def run(self, job: Path, log: Path, on_event: Callable[[Event], None]) -> int:
        """Run the worker one way or the other; say so when the way changes."""
        try:
            return self._launcher.run(job, log, on_event)
        except CannotLaunch as error:
            on_event(Notice(reason=f"Cells are spawned, not forked: {error.why}."))
        self._launcher.close()  # first: what has initialised CUDA holds memory of the GPU
        self._launcher = self._make("spawn")
        return self._launcher.run(job, log, on_event)

    def interrupt(self) -> None:
        """Ask the running worker to end."""
        self._launcher.interrupt()

    def kill(self) -> None:
        """End the running worker at once."""
        self._launcher.kill()

    def close(self) -> None:
        """End whatever still runs."""
        self._launcher.close()
