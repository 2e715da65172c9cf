"""A launcher: runs a cell's worker somewhere and passes on what it says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from llmbench.errors import UserError
from llmbench.machine import Device, Environment, collect
from llmbench.record.events import Event


class CannotLaunch(UserError):
    """Raised by `Launcher.run` where it can run no worker here; the cell fails with this sentence.

    `why` is the reason in half a sentence, for whoever goes on with another launcher.
    """

    def __init__(self, sentence: str, why: str) -> None:
        super().__init__(sentence)
        self.why = why


class WorkerLost(UserError):
    """Raised by `Launcher.run` where a worker's machine is gone, or who started it there.

    The cell's record says so with this sentence, as killed, and the cell is run once more.
    """


class Launcher(ABC):
    """Base class of every launcher. Lives in the parent, as long as the comparison runs.

    A worker is `python -m llmbench.worker JOB LOG`, with the variables of
    `llmbench.workers.spawn.worker_environment()` added to its environment. It says each event as a
    line of JSON on standard output, writes its record beside the job, and ends at SIGINT. One that
    starts it behind another command inherits from `llmbench.workers.spawn.Spawn`, and has a
    `command` of its own.
    """

    id: ClassVar[str]
    """As typed after `--launcher`."""
    summary: ClassVar[str]
    """One line for `llmbench list launchers`."""
    automatic: ClassVar[int | None] = None
    """Its rank among those that `--launcher auto` takes, the lowest first; None for never, and not
    inherited. Where one raises CannotLaunch, the next is taken; a single job goes to the last."""

    elsewhere: ClassVar[bool] = False
    """Whether its workers run on other machines: then this one's GPUs bound no `--jobs`."""
    shares_files: ClassVar[bool] = True
    """False where its workers write to files that are not here: `--save` then has nothing."""

    @classmethod
    def available(cls) -> bool:
        """Whether `auto` may take it on this machine; asked before one is made."""
        return True

    @classmethod
    def environment(cls, device: str, gpus: int) -> Environment:
        """What cells that run `elsewhere` are planned for, each on so many GPUs, if any.

        `device` is auto, cpu or cuda. A record tells of the machine on which its cell ran.
        ConfigError where there is no such device.
        """
        return collect(device)

    @classmethod
    def preview(cls, device: Device, gpus: int, limit_seconds: float | None) -> str | None:
        """What `--dry-run` shows of how a cell is started that runs on so many GPUs, if anything.

        `limit_seconds` is its --cell-timeout.
        """
        return None

    @abstractmethod
    def run(self, job: Path, log: Path, on_event: Callable[[Event], None]) -> int:
        """Run the worker on `job` (a `cell.json`), its output going to `log`, to the end.

        Returns the exit status as `subprocess` gives it: negative for a signal. Calls `on_event`
        for every event: `llmbench.record.events.read` makes one of a line that the worker writes.
        May be called again after an exception, for the rest of the events. Raises CannotLaunch
        where it can run no worker: then none has been started; WorkerLost where the worker is gone
        with all that it found.
        """

    @abstractmethod
    def interrupt(self) -> None:
        """Send the running worker SIGINT, upon which it writes its record and ends.

        Does nothing where no worker runs. Called from signal handlers and from other threads.
        """

    def kill(self) -> None:
        """End the running worker at once, with all that it started; `run` then returns.

        Called from another thread. Further cells are run after that: a launcher that cannot run
        any after `close` implements this.
        """
        self.close()

    @abstractmethod
    def close(self) -> None:
        """End whatever still runs, at once, and give back what was kept for further cells."""
