"""A launcher: workers that give way to whatever else the machine has to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from llmbench import hookimpl
from llmbench.plugin.launcher import Launcher
from llmbench.workers.spawn import Spawn

LLMBENCH_HOOKS = 1


class Niced(Spawn):
    """What `spawn` does, behind another command: `srun`, `docker run` or `numactl` go likewise."""

    id = "niced"
    summary = "a new process for every cell, of low priority"
    automatic = None

    @classmethod
    def available(cls) -> bool:
        """Whether there is such a command here."""
        return shutil.which("nice") is not None

    def command(self) -> list[str]:
        """What runs a worker, before its two arguments."""
        return ["nice", "-n", "5", *super().command()]


@hookimpl
def register_launchers(register: Callable[[type[Launcher]], None]) -> None:
    """Offer `niced`."""
    register(Niced)
