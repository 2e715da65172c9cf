"""Cells that run at once: the lanes that they run in, each with workers and a GPU of its own."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from llmbench import plugin
from llmbench.config.setup import Setup
from llmbench.errors import ConfigError
from llmbench.machine import GpuFacts
from llmbench.record.comparison import Planned
from llmbench.workers.launch import AUTO


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
