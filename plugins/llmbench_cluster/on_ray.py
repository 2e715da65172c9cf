"""Cells on a Ray cluster: each has an actor of its own, which sends back what the worker leaves.

Nothing is shared with the machine that an actor is on but the installation of llmbench: the job
goes there with its files, and events, record and log come back over Ray.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmbench import plugin
from llmbench.errors import ConfigError
from llmbench.files import write_text
from llmbench.machine import Device, Environment, collect
from llmbench.plugin.launcher import CannotLaunch, WorkerLost
from llmbench.record import events
from llmbench.record.events import Event
from llmbench.workers.job import EstimateJob, Job, read
from llmbench_cluster import parcel
from llmbench_cluster.behind import Behind, Remote
from llmbench_cluster.parcel import Parcel

POLL_SECONDS = 0.1
"""How often a launcher that waits for an event looks whether it is to end the worker."""
PLACED = b""
"""What an actor says first, before any event: it is on a machine, and has what it asked for."""


@dataclass(frozen=True)
class Left:
    """What a worker left behind when it ended."""

    status: int
    record: bytes | None
    log: bytes


@dataclass(frozen=True)
class Refused:
    """Why an actor starts no worker on its machine, as CannotLaunch has it."""

    sentence: str
    why: str


Said = bytes | Left | Refused
"""What an actor says: lines of events, and one of the others in the end."""


class Ray(Remote):
    """Runs each cell on whichever machine of a Ray cluster has room for it."""

    id = "ray"
    summary = "each cell on a machine of a Ray cluster (RAY_ADDRESS), or of one started here"
    shares_files = False

    @classmethod
    def environment(cls, device: str, gpus: int) -> Environment:
        """What a machine of the cluster says of itself; this one where a cluster is started here.

        With `auto`, one with GPUs where the cluster has any.
        """
        CONNECTION.check()
        import ray

        if not (ray.is_initialized() or os.environ.get("RAY_ADDRESS")):
            return collect(device)
        CONNECTION.join()
        try:
            known: Any = ray.cluster_resources
            there = known().get("GPU", 0)
            if device == "cuda" and there < gpus:
                raise ConfigError(
                    f"The Ray cluster has {there:.0f} GPUs, and a cell is to have {gpus}: "
                    "run with --device cpu, or start Ray with GPUs on its nodes."
                )
            kind: Device = "cuda" if device != "cpu" and there else "cpu"
            asked = {"num_cpus": 1, "num_gpus": gpus if kind == "cuda" else 0}
            remote: Any = ray.remote
            environment: Environment = ray.get(remote(**asked)(collect).remote(kind))
        except ray.exceptions.RayTaskError as error:
            why = plugin.reason(error.cause)
            raise ConfigError(
                f"A machine of the Ray cluster cannot run cells ({why}): see how llmbench is "
                "installed there."
            ) from None
        finally:
            CONNECTION.leave()
        return environment

    def __init__(self) -> None:
        CONNECTION.join()
        super().__init__()
        self._actor: Any = None
        self._closed = False

    def run(self, job: Path, log: Path, on_event: Callable[[Event], None]) -> int:
        """Send the job to an actor, and follow it to its end."""
        told = read(job.read_text("utf-8"))
        if isinstance(told, EstimateJob):
            return self._here.run(job, log, on_event)
        import ray

        self._asked.clear()
        packed = parcel.pack(told)
        sent = {
            path: [CONNECTION.sent(path)]  # in a list: it is fetched only where it is needed
            for path, files in packed.folders.items()
            if parcel.is_sent(files)
        }
        remote: Any = ray.remote
        place = remote(max_concurrency=4, max_restarts=0, **resources(told))(Place)
        try:
            self._actor = place.remote(self.command(), variables(told))
            stream = self._actor.run.options(num_returns="streaming").remote(packed, sent)
            return self._followed(stream, told, log, on_event)
        except ray.exceptions.RayTaskError as error:
            why = f"the machine that Ray chose failed ({plugin.reason(error.cause)})"
            raise CannotLaunch(f"Nothing was run, as {why}.", why) from None
        except ray.exceptions.RayError as error:
            if self._closed:
                return -signal.SIGKILL
            why = str(error).strip().splitlines()[0].rstrip(".:")
            raise WorkerLost(
                f"The machine or the process that ran this cell was lost: Ray says '{why}'."
            ) from None
        finally:
            self._end()

    def close(self) -> None:
        """End the actor, with which its worker ends; leave the cluster."""
        if self._closed:
            return
        self._closed = True
        self._here.close()
        self._end()
        CONNECTION.leave()

    def _followed(self, stream: Any, job: Job, log: Path, on_event: Callable[[Event], None]) -> int:
        """Pass on what the actor says until its worker has ended; returns the exit status."""
        import ray

        placed = False
        while True:
            ready, _ = ray.wait([stream], timeout=POLL_SECONDS)
            if not placed and not ready and self._asked:
                return -signal.SIGINT  # it waits for a machine: there is nothing to write down
            while placed and self._asked:
                getattr(self._actor, self._asked.pop()).remote()
            if not ready:
                continue
            said = ray.get(next(stream))
            placed = True
            if isinstance(said, Refused):
                raise CannotLaunch(said.sentence, said.why)
            if isinstance(said, Left):
                _write(said, job, log)
                return said.status
            event = events.read(said)
            if event:
                on_event(event)

    def _end(self) -> None:
        import ray

        actor, self._actor = self._actor, None
        if actor is not None and ray.is_initialized():
            ray.kill(actor)


def resources(job: Job) -> dict[str, float]:
    """What the cell's actor asks of the cluster: its GPUs, or one processor."""
    if job.environment.device == "cuda":
        return {"num_cpus": 1, "num_gpus": job.cell.settings.gpus}
    return {"num_cpus": 1}


def variables(job: Job) -> dict[str, str | None]:
    """Environment variables that a worker there has as it would have them here.

    Ray gives a process as many threads as it asked for processors: those of a GPU's cell would
    then prepare its data slower than here.
    """
    if job.environment.device == "cuda":
        return {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS")}
    return {}


def _write(left: Left, job: Job, log: Path) -> None:
    """Put what the worker left where the parent looks for it."""
    with log.open("ab") as file:
        file.write(left.log)
    if left.record is not None:
        write_text(job.record_file, left.record.decode())


class Place:
    """The actor: runs one cell in a process of its own, on the machine where it is."""

    def __init__(self, command: list[str] | None, variables: Mapping[str, str | None]) -> None:
        self._spawn = Behind(command)
        for name, value in variables.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value

    def run(
        self, packed: Parcel, sent: Mapping[str, list[Any]]
    ) -> Iterator[bytes | Left | Refused]:
        """Every event as a line, as the worker says it; in the end, what it left."""
        yield PLACED
        with tempfile.TemporaryDirectory(prefix="llmbench-") as name:
            folder = Path(name)
            try:
                job = parcel.unpack(packed, folder, Fetched(sent))
            except CannotLaunch as error:  # an exception with two arguments does not travel
                yield Refused(str(error), error.why)
                return
            write_text(job.file, job.model_dump_json())
            log, said = folder / "log", queue.SimpleQueue[bytes | int | BaseException]()

            def work() -> None:
                try:
                    said.put(self._spawn.run(job.file, log, lambda e: said.put(events.line(e))))
                except BaseException as error:
                    said.put(error)

            threading.Thread(target=work).start()
            while isinstance(line := said.get(), bytes):
                yield line
            if isinstance(line, BaseException):
                raise line
            record = job.record_file.read_bytes() if job.record_file.exists() else None
            yield Left(line, record, log.read_bytes())

    def interrupt(self) -> None:
        """Ask the worker to end and write its record."""
        self._spawn.interrupt()

    def kill(self) -> None:
        """End the worker with all that it started."""
        self._spawn.kill()


class Fetched(Mapping[str, parcel.Content]):
    """Folders that were sent, each fetched when it is asked for."""

    def __init__(self, references: Mapping[str, list[Any]]) -> None:
        self._references = references

    def __getitem__(self, path: str) -> parcel.Content:
        import ray

        content: parcel.Content = ray.get(self._references[path][0])
        return content

    def __iter__(self) -> Iterator[str]:
        return iter(self._references)

    def __len__(self) -> int:
        return len(self._references)


class Connection:
    """This process's connection to a cluster, which the launchers of all lanes share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._ours = False
        """Whether it was made here, and ends with the last who uses it."""
        self._folders: dict[str, Any] = {}
        """What was sent once, for all cells."""

    def check(self) -> None:
        """ConfigError where Ray is not installed."""
        try:
            import ray  # noqa: F401 - whoever goes on imports it where it is used
        except ImportError:
            raise ConfigError(
                "--launcher ray needs the package ray: pip install 'llmbench[ray]'."
            ) from None

    def join(self) -> None:
        """Connect, unless somebody has; ConfigError where that cannot be."""
        self.check()
        import ray

        with self._lock:
            if not ray.is_initialized():
                _connect()
                self._ours = True
            self._users += 1

    def leave(self) -> None:
        """Give the connection back, and with it what was started for it."""
        import ray

        with self._lock:
            self._users -= 1
            if self._users:
                return
            self._folders.clear()
            if self._ours:
                ray.shutdown()
                self._ours = False

    def sent(self, path: str) -> Any:
        """A reference to the folder's content, which is read and sent once."""
        import ray

        with self._lock:
            if path not in self._folders:
                self._folders[path] = ray.put(parcel.content(Path(path)))
            return self._folders[path]


CONNECTION = Connection()


def _connect() -> None:
    """Connect to the cluster of RAY_ADDRESS, or start one on this machine."""
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    local: dict[str, Any] = {} if os.environ.get("RAY_ADDRESS") else {"include_dashboard": False}
    with _signals_kept():
        try:
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **local)
        except (ConnectionError, RuntimeError, ValueError) as error:
            why = str(error).strip().splitlines()[0].rstrip(".")
            raise ConfigError(
                f"Ray cannot be reached ({why}): see RAY_ADDRESS, or leave it out for a cluster "
                "on this machine alone."
            ) from None


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray takes SIGTERM for itself: leave it to who had it before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
