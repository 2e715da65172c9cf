"""Cells that run at once: the lanes that they run in, each with workers of its own.

Cells that are reported have a GPU each. Tries of learning rates share one: of a try, its validation
loss alone counts, which is the same whoever computes beside it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from llmbench import plugin
from llmbench.config.setup import Setup
from llmbench.errors import ConfigError
from llmbench.estimate.forecast import OUTSIDE_BYTES
from llmbench.machine import GpuFacts
from llmbench.record.comparison import Planned
from llmbench.workers.launch import AUTO, Workers


def check(setup: Setup, gpus: Sequence[GpuFacts]) -> None:
    """ConfigError where so many cells cannot run at once, each on a GPU like the others'."""
    jobs = setup.config.jobs
    if jobs == 1 or elsewhere(setup):
        return
    there = gpus if setup.environment.device == "cuda" else ()
    if len(there) < jobs:
        count = f"only {len(there)}" if there else "none"
        raise ConfigError(
            f"--jobs {jobs} gives each cell a GPU of its own, and this machine has {count}: "
            f"take --jobs {max(1, len(there))}."
        )
    names = sorted({gpu.name for gpu in there[:jobs]})
    if len(names) > 1:
        raise ConfigError(
            f"--jobs {jobs} would measure cells on different GPUs ({', '.join(names)}), which says "
            "nothing of the methods: choose equal ones with CUDA_VISIBLE_DEVICES."
        )


def used(setup: Setup, gpus: Sequence[GpuFacts]) -> Sequence[GpuFacts]:
    """Those of the GPUs that cells of this comparison run on; none where they run elsewhere."""
    count = max(setup.config.jobs, setup.config.settings.gpus)
    return () if elsewhere(setup) else gpus[:count]


def visible(setup: Setup, gpus: Sequence[GpuFacts]) -> list[str | None]:
    """For each lane, what CUDA_VISIBLE_DEVICES is there; None to leave it as it is."""
    jobs = setup.config.jobs
    if jobs == 1 or elsewhere(setup):
        return [None] * jobs
    return [gpu.uuid for gpu in used(setup, gpus)]


def notices(setup: Setup) -> tuple[str, ...]:
    """What a reader has to know of cells that ran at once."""
    jobs = setup.config.jobs
    if jobs == 1 or elsewhere(setup):
        return ()
    return (
        f"{jobs} cells ran at once, each on a GPU of its own; they shared the processor, which "
        "steps of small models wait for.",
    )


MOST_TRIES = 4
"""Tries on one GPU at once, at most."""
SHARE_OF_TRIES = 0.5
"""What they may need of the GPU's memory together. Models that need more keep it busy alone: it is
small ones whose steps wait for the processor, which launches a thousand kernels for each."""


TRIED_AT_ONCE = (
    "Learning rates were tried several at a time on a GPU: a try's validation loss alone "
    "counts, and its speed says nothing."
)
"""What a reader has to know of such tries."""


def tries_at_once(setup: Setup, peaks: Sequence[int | None]) -> int:
    """How many tries run on a GPU at once, by their predicted peaks in bytes; None is unknown.

    One on a CPU, whose cores a single try uses, and where a limit of time is set for each.
    """
    config, environment = setup.config, setup.environment
    alone = elsewhere(setup) or config.shared_gpu or config.settings.gpus > 1 or config.cell_timeout
    known = [peak for peak in peaks if peak is not None]
    if environment.device != "cuda" or alone or not known or len(known) < len(peaks):
        return 1
    each = max(known) + OUTSIDE_BYTES
    room = int(SHARE_OF_TRIES * environment.device_memory_bytes) // each
    return max(1, min(room, MOST_TRIES, len(known), environment.cpu_count // (2 * config.jobs)))


class Crew:
    """The workers of all lanes; those of a further lane are started when it is first used."""

    def __init__(self, make: Callable[[], Workers]) -> None:
        self._make = make
        self._started: list[Workers] = []

    def first(self, count: int) -> Sequence[Workers]:
        """The workers of so many lanes."""
        while len(self._started) < count:
            self._started.append(self._make())
        return self._started[:count]

    def interrupt(self) -> None:
        """Ask whatever runs to end."""
        for workers in self._started:
            workers.interrupt()

    def close(self) -> None:
        """End whatever still runs."""
        with ExitStack() as stack:
            for workers in self._started:
                stack.callback(workers.close)


def run(lanes: Sequence[Callable[[Planned], bool]], cells: Iterable[Planned]) -> bool:
    """Run the cells in their order, one in each lane at a time; whether all were begun.

    A lane runs a cell and returns whether others are to be begun after it. What one raises is
    raised once all that run have ended; none is begun after it.
    """
    waiting, stopped = deque(cells), threading.Event()

    def keep_running(lane: Callable[[Planned], bool]) -> None:
        try:
            while not stopped.is_set():
                try:
                    cell = waiting.popleft()
                except IndexError:
                    return
                if not lane(cell):
                    stopped.set()
        except BaseException:
            stopped.set()
            raise

    if len(lanes) == 1:
        keep_running(lanes[0])
    else:
        with ThreadPoolExecutor(len(lanes)) as pool:
            for ended in [pool.submit(keep_running, lane) for lane in lanes]:
                ended.result()
    return not stopped.is_set()


def elsewhere(setup: Setup) -> bool:
    """Whether cells run on other machines than this."""
    name = setup.config.launcher
    return name != AUTO and plugin.registry().launchers.get(name).elsewhere
