"""A strategy that gets into trouble where it is told to, and a launcher whose workers are quick."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from llmbench import hookimpl
from llmbench.plugin.launcher import Launcher
from llmbench.plugin.probe import Probe
from llmbench.plugin.strategy import Strategy
from llmbench.record.record import SCHEMA_VERSION
from llmbench.workers.spawn import Spawn

ASLEEP_SECONDS = 600
ROOM_BYTES = 512 * 2**20
BLOCK_BYTES = 64 * 2**20
FILLING_BYTES = 2 * 2**20
FILLING: list[Any] = []
"""What `cap` took of the GPU's memory, held as long as the process lives."""


class Faulty(Strategy):
    """Trains every weight, and in one phase does what it is told."""

    id = "faulty"
    summary = "trouble in one phase"
    group = "adaptation"
    in_all: ClassVar[bool] = False

    phase: str = Field("train", description="Where.")
    trouble: str = Field("sleep", description="What: a function of this module.")

    def load_kwargs(self, settings: Any, environment: Any) -> dict[str, Any]:
        self._reach("load")
        return {}

    def prepare(self, model: Any, settings: Any) -> Any:
        self._reach("prepare")
        model.generate = self._after("evaluate", model.generate)
        model.save_pretrained = self._after("save", model.save_pretrained)
        return model

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        self._reach("train")
        yield

    def _reach(self, phase: str) -> None:
        if phase == self.phase and os.environ.get("FAULTS") != "off":
            TROUBLES[self.trouble]()

    def _after(self, phase: str, then: Callable[..., Any]) -> Callable[..., Any]:
        def reach(*args: Any, **kwargs: Any) -> Any:
            self._reach(phase)
            return then(*args, **kwargs)

        return reach


def sleep() -> None:
    """Take long, and end when asked to."""
    time.sleep(ASLEEP_SECONDS)


def resist() -> None:
    """Take long, whoever asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(ASLEEP_SECONDS)


def hang() -> None:
    """Take long, whoever asks, and so do processes of its own."""
    command = [sys.executable, "-S", "-c", f"import time; time.sleep({ASLEEP_SECONDS})"]
    for apart in (False, True):
        subprocess.Popen(command, start_new_session=apart)
    resist()


def fill() -> None:
    """Take memory until there is none, under a limit of its own."""
    import resource

    import psutil
    import torch

    from llmbench.worker.memory import release_freed

    release_freed()
    limit = psutil.Process().memory_info().vms + ROOM_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    held = []
    while True:
        held.append(torch.ones(BLOCK_BYTES // 4))


def cap() -> None:
    """Leave torch's allocator next to nothing beyond what it holds on the GPU."""
    import torch

    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    allowed = torch.cuda.memory_reserved() + BLOCK_BYTES
    torch.cuda.set_per_process_memory_fraction(allowed / total)
    # What is reserved and not given out would do for a small cell's generation.
    with contextlib.suppress(torch.OutOfMemoryError):
        while True:
            FILLING.append(torch.empty(FILLING_BYTES, dtype=torch.uint8, device="cuda"))


def devour() -> None:
    """Take memory until the system ends the process."""
    held = []
    while True:
        held.append(bytearray(os.urandom(1)) * BLOCK_BYTES)


def crash() -> None:
    """End by a signal of its own doing."""
    os.abort()


TROUBLES = {f.__name__: f for f in (sleep, resist, hang, fill, cap, devour, crash)}
"""What `faulty` can do."""


class Start(Probe):
    """What there is of memory in use as a phase begins, before it does anything."""

    id = "start"
    summary = "memory in use at the start of a phase"

    def enter(self, phase: str) -> None:
        import torch

        from llmbench.worker.memory import resident_bytes

        self.found: dict[str, float | int | None] = {"host_bytes": resident_bytes()}
        if torch.cuda.is_available():
            free, total = torch.cuda.mem_get_info()
            self.found |= {"device_bytes": total - free}

    def leave(self, phase: str) -> dict[str, float | int | None]:
        return self.found


class Quick(Spawn):
    """Runs `quick_worker.py`, which imports nothing."""

    id = "quick"
    summary = "workers that do nothing, quickly"

    def command(self) -> list[str]:
        worker = Path(__file__).with_name("quick_worker.py")
        return [sys.executable, "-S", str(worker), str(SCHEMA_VERSION)]


@hookimpl
def register_probes(register: Callable[[type[Probe]], None]) -> None:
    register(Start)


@hookimpl
def register_launchers(register: Callable[[type[Launcher]], None]) -> None:
    register(Quick)


@hookimpl
def register_strategies(register: Callable[[type[Strategy]], None]) -> None:
    register(Faulty)


if os.environ.get("CLOCK") == "backwards":
    # Every second that passes brings it back by one.
    _began, _now = time.time(), time.time
    time.time = lambda: 2 * _began - _now()

if "FAILING_WRITE" in os.environ:
    _left, _fsync = int(os.environ["FAILING_WRITE"]), os.fsync

    def _failing(file: int) -> None:
        global _left
        _left -= 1
        if not _left:
            raise OSError(errno.ENOSPC, "No space left on device")
        _fsync(file)

    os.fsync = _failing
