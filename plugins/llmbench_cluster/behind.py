"""What both launchers share: how a worker is asked to end, and its process where it runs."""

from __future__ import annotations

from llmbench.plugin.launcher import Launcher
from llmbench.workers.spawn import Spawn


class Remote(Launcher):
    """Base of launchers whose workers run on other machines."""

    elsewhere = True

    def __init__(self) -> None:
        self._here = Spawn()
        """What predicts memory: that needs no GPU, and is done where the plan is."""
        self._asked: set[str] = set()
        """What the parent asked of the running worker and was not passed on yet."""

    def command(self) -> list[str] | None:
        """What runs a worker there, before its two arguments; None for `llmbench.worker`."""
        return None

    def interrupt(self) -> None:
        """Have the running worker asked to end."""
        self._asked.add("interrupt")
        self._here.interrupt()

    def kill(self) -> None:
        """Have the running worker ended at once."""
        self._asked.add("kill")
        self._here.kill()


class Behind(Spawn):
    """Runs workers by that command, if there is one."""

    def __init__(self, command: list[str] | None) -> None:
        super().__init__()
        self._command = command

    def command(self) -> list[str]:
        """What runs a worker, before its two arguments."""
        return self._command or super().command()
