"""Cells as jobs of SLURM, which submitit submits: all machines share the files of this one."""

from __future__ import annotations

import contextlib
import math
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from llmbench.errors import ConfigError
from llmbench.machine import Device
from llmbench.plugin.launcher import WorkerLost
from llmbench.record import events
from llmbench.record.events import Event
from llmbench.workers.job import EstimateJob, Job, read
from llmbench.workers.spawn import Spawn
from llmbench_cluster.behind import Behind, Remote

POLL_SECONDS = 0.2
"""How often both sides look for what the other wrote."""
MOST_MINUTES = 24 * 60
"""How long SLURM lets a cell run that has no --cell-timeout of its own."""
START_MINUTES = 10
"""How much longer it lets one with a limit run: that counts from when its imports are done."""
CPUS = "SBATCH_CPUS_PER_TASK"
"""The one variable that sbatch does not read itself."""
PLACED, EVENTS = "placed", "events.jsonl"
"""Files beside the job: that it has a machine, and what its worker says."""
FOLDER = "slurm"
"""Where submitit keeps its files, beside the job."""


class Slurm(Remote):
    """Submits each cell as a job of its own."""

    id = "slurm"
    summary = "each cell as a SLURM job (SBATCH_PARTITION and the like, shared files)"
    cluster: ClassVar[str] = "slurm"
    """What submitit is to submit to."""

    def __init__(self) -> None:
        _submitit()
        super().__init__()
        self._submitted: Any = None

    @classmethod
    def preview(cls, device: Device, gpus: int, limit_seconds: float | None) -> str:
        """The script that sbatch is given for a cell."""
        _submitit()
        from submitit.slurm import slurm

        options = _for_sbatch(parameters(device, gpus, limit_seconds))
        python = shlex.join([sys.executable, "-u", "-m", "submitit.core._submit", FOLDER])
        script = slurm._make_sbatch_string(command=python, folder=FOLDER, **options)
        given = sorted(f"{k}={v}" for k, v in os.environ.items() if k.startswith("SBATCH_"))
        over = f"\nsbatch lays over it: {', '.join(given)}" if given else ""
        return f"Each cell is submitted to SLURM with this script:\n\n{script}{over}"

    def run(self, job: Path, log: Path, on_event: Callable[[Event], None]) -> int:
        """Submit the job, and follow it to its end."""
        told = read(job.read_text("utf-8"))
        if isinstance(told, EstimateJob):
            return self._here.run(job, log, on_event)
        self._asked.clear()
        self._submitted = self._executor(job, told).submit(work, job, log, self.command())
        try:
            return self._followed(self._submitted, job.parent, on_event)
        finally:
            self._submitted = None

    def close(self) -> None:
        """Cancel the job that runs or waits."""
        self._here.close()
        submitted, self._submitted = self._submitted, None
        if submitted is not None:
            submitted.cancel(check=False)

    def _executor(self, job: Path, told: Job) -> Any:
        submitit = _submitit()
        try:
            made = submitit.AutoExecutor(job.parent / FOLDER, cluster=self.cluster)
        except RuntimeError as error:
            why = str(error).partition(",")[0].rstrip(".")
            raise ConfigError(
                f"There is no SLURM here ({why}): run it where sbatch and srun are."
            ) from None
        gpus, device = told.cell.settings.gpus, told.environment.device
        made.update_parameters(**parameters(device, gpus, told.limit_seconds))
        return made

    def _followed(self, submitted: Any, folder: Path, on_event: Callable[[Event], None]) -> int:
        """Pass on what the worker says until its job has ended; returns the exit status."""
        heard = 0
        while True:
            ended = submitted.done()
            heard += _pass_on(folder / EVENTS, heard, on_event)
            if ended:
                return _status(submitted)
            if self._asked and not (folder / PLACED).exists():
                submitted.cancel(check=False)
                return -signal.SIGINT  # it waits for a machine: there is nothing to write down
            while self._asked:
                (folder / self._asked.pop()).touch()
            time.sleep(POLL_SECONDS)


def parameters(device: Device, gpus: int, limit_seconds: float | None) -> dict[str, Any]:
    """What is asked of SLURM for a cell, as submitit names it."""
    limit = MOST_MINUTES
    if limit_seconds is not None:
        limit = math.ceil(limit_seconds / 60) + START_MINUTES
    asked = {"name": "llmbench", "nodes": 1, "tasks_per_node": 1, "timeout_min": limit}
    if device == "cuda":
        asked["gpus_per_node"] = gpus
    if os.environ.get(CPUS, "").isdigit():
        asked["cpus_per_task"] = int(os.environ[CPUS])
    return asked


def work(job: Path, log: Path, command: list[str] | None) -> int:
    """Run a cell's worker on the machine that SLURM chose; returns its exit status."""
    spawn = Behind(command)
    (job.parent / PLACED).touch()
    with (job.parent / EVENTS).open("ab", buffering=0) as said, _obeying(spawn, job.parent):

        def say(event: Event) -> None:
            said.write(events.line(event))

        return spawn.run(job, log, say)


@contextlib.contextmanager
def _obeying(spawn: Spawn, folder: Path) -> Iterator[None]:
    """Tell the worker what the parent asks for, which it does by files beside the job."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(POLL_SECONDS):
            for name, tell in (("interrupt", spawn.interrupt), ("kill", spawn.kill)):
                if (folder / name).exists():
                    tell()
                    (folder / name).unlink(missing_ok=True)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _pass_on(path: Path, heard: int, on_event: Callable[[Event], None]) -> int:
    """Pass on the events that were written whole after so many bytes; returns their bytes."""
    try:
        with path.open("rb") as file:
            file.seek(heard)
            new, end, _ = file.read().rpartition(b"\n")
    except FileNotFoundError:
        return 0
    for line in new.splitlines():
        event = events.read(line)
        if event:
            on_event(event)
    return len(new + end)


def _status(submitted: Any) -> int:
    """The worker's exit status; WorkerLost where its job ended without saying one."""
    from submitit.core.utils import FailedJobError, UncompletedJobError

    try:
        return int(submitted.result())
    except (FailedJobError, UncompletedJobError):
        raise WorkerLost(
            f"The job of this cell ended without an answer: SLURM says '{submitted.state}'."
        ) from None


def _for_sbatch(asked: dict[str, Any]) -> dict[str, Any]:
    """The parameters as sbatch calls them."""
    from submitit.slurm import slurm

    names: Any = slurm.SlurmExecutor._equivalence_dict()
    return {names.get(name, name): value for name, value in asked.items()}


def _submitit() -> Any:
    try:
        import submitit
    except ImportError:
        raise ConfigError(
            "--launcher slurm needs the package submitit: pip install 'llmbench[slurm]'."
        ) from None
    return submitit
