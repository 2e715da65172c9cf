"""Launchers that run cells on other machines: through Ray, which shares no files, and SLURM."""

from collections.abc import Callable

from llmbench import hookimpl
from llmbench.plugin.launcher import Launcher
from llmbench_cluster.on_ray import Ray
from llmbench_cluster.on_slurm import Slurm


@hookimpl
def register_launchers(register: Callable[[type[Launcher]], None]) -> None:
    """Offer `ray` and `slurm`."""
    register(Ray)
    register(Slurm)
