"""The worker's process on the machine where its cell runs."""

from __future__ import annotations

from llmbench.workers.spawn import Spawn


class Behind(Spawn):
    """Runs workers by that command, if there is one."""

    def __init__(self, command: list[str] | None) -> None:
        super().__init__()
        self._command = command

    def command(self) -> list[str]:
        """What runs a worker, before its two arguments."""
        return self._command or super().command()
