"""The built-in launchers."""

from collections.abc import Callable

from llmbench import hookimpl
from llmbench.plugin.launcher import Launcher
from llmbench.workers.fork import Fork
from llmbench.workers.spawn import Spawn


@hookimpl
def register_launchers(register: Callable[[type[Launcher]], None]) -> None:
    """Offer `fork` and `spawn`."""
    register(Fork)
    register(Spawn)
