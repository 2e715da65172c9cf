"""The built-in launchers."""

from collections.abc import Callable

from llmbench import hookimpl
from llmbench.launcher import Launcher
from llmbench_launchers.fork import Fork
from llmbench_launchers.spawn import Spawn


@hookimpl
def register_launchers(register: Callable[[type[Launcher]], None]) -> None:
    """Offer `fork` and `spawn`."""
    register(Fork)
    register(Spawn)
