"""The probe `placeholder` for llmbench."""

from __future__ import annotations

import time
from collections.abc import Callable

from llmbench import hookimpl
from llmbench.plugin.probe import Probe

LLMBENCH_HOOKS = 1


class PlaceholderProbe(Probe):
    """Seconds that the processor worked for the cell. Put your measurement in place of it."""

    id = "placeholder"
    summary = "processor time of each phase"

    def enter(self, phase: str) -> None:
        """Read the clock as the phase starts."""
        self.started = time.process_time()

    def leave(self, phase: str) -> dict[str, float | int | None]:
        """What has passed since; a figure's unit stands in its name."""
        return {"processor_seconds": time.process_time() - self.started}


@hookimpl
def register_probes(register: Callable[[type[Probe]], None]) -> None:
    """Offer `placeholder`."""
    register(PlaceholderProbe)
