"""A cell on several GPUs: a process for each, started by torch's elastic launcher, and one record.

The process that the cell was given to becomes their parent. Every rank sees one GPU, its device 0,
goes through the phases as a process alone would, and keeps a record of its own. That of the first
is the cell's; how the others fared is put into it once all have ended. One that dies ends them all.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from llmbench import errors, plugin, process
from llmbench.files import write_text
from llmbench.record import events
from llmbench.record.events import Event
from llmbench.record.record import Memory, PhaseRecord, Rank, Record
from llmbench.worker.preload import cuda_initialised
from llmbench.worker.recorder import outcome
from llmbench.workers.job import Job, read

GRACE_SECONDS = 5.0
"""How long the first rank may take to write its record once it is asked to end."""
POLL_SECONDS = 0.1
ENDED_BADLY = 3
"""Exit status of a rank whose record says why."""
LAST_SECONDS = 1.0
"""How long such a rank waits before it exits: where another's death was the cause, that one is to
be found first."""
ALIKE = frozenset({"skipped", "diverged", "interrupted"})
"""Ends that all ranks come to: whichever says so speaks for all."""
LOOPBACK = {"linux": "lo", "darwin": "lo0"}


class Death(NamedTuple):
    """The rank that ended the cell, and its exit status: negative for a signal."""

    rank: int
    status: int


def run(job: Job, output: int) -> None:
    """Run the cell in as many processes as it has GPUs, and make one record of theirs.

    `output` is the file that events go to.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, start_processes

    count, began = job.cell.settings.gpus, time.time()
    # Each rank tells its own stacks when the time is over; a forked one could not take this back.
    faulthandler.cancel_dump_traceback_later()
    # A connection passes to a process that is not forked, too.
    pipe = Connection(os.dup(output), readable=False)
    with tempfile.TemporaryDirectory(prefix="llmbench-ranks-") as name:
        folder = Path(name)
        jobs = [job, *(of_rank(job, folder / str(n)) for n in range(1, count))]
        context = start_processes(
            name="cell",
            entrypoint=be_rank,
            args={n: (n, j.model_dump_json(), name, began, pipe) for n, j in enumerate(jobs)},
            envs={n: environment(n, count) for n in range(count)},
            logs_specs=DefaultLogsSpecs(log_dir=name),
            # What is imported is there at once; no process can be forked that has touched a GPU.
            start_method="spawn" if cuda_initialised() or os.name == "nt" else "fork",
        )
        death = followed(context)
        left = [left_by(j) for j in jobs]
    write_text(job.record_file, merged(job, left, death).model_dump_json())


def of_rank(job: Job, folder: Path) -> Job:
    """The job of a rank that is not the first: its record and its files are its own."""
    folder.mkdir()
    return job.model_copy(update={"record_file": folder / "record.json", "work_folder": folder})


def environment(rank: int, ranks: int) -> dict[str, str]:
    """Environment variables of a rank: of the GPUs that the cell may use, it sees its own."""
    visible = [v.strip() for v in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    own = visible[rank] if rank < len(visible) and any(visible) else str(rank)
    variables = {"RANK": str(rank), "WORLD_SIZE": str(ranks), "LOCAL_RANK": "0"}
    variables["CUDA_VISIBLE_DEVICES"] = own
    if sys.platform in LOOPBACK:
        variables["GLOO_SOCKET_IFNAME"] = LOOPBACK[sys.platform]
    return variables


def be_rank(rank: int, text: str, folder: str, began: float, pipe: Connection) -> None:
    """Run the cell as one of its ranks; exits with `ENDED_BADLY` unless it ended well.

    `began` is when the cell's time started, as `time.time()`.
    """
    process.end_with_parent()
    errors.heed()
    # The parent asks the first one alone to end, and ends the others, even in the middle of a
    # call that waits for a rank that is no more.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if rank:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    job = read(text)
    assert isinstance(job, Job)
    if job.environment.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    for file in job.plugin_files:
        plugin.include(file)
    from llmbench.worker.preload import preload

    preload()
    if job.limit_seconds is not None:
        faulthandler.dump_traceback_later(max(0.1, job.limit_seconds - (time.time() - began)))

    def say(event: Event) -> None:
        if rank == 0:
            os.write(pipe.fileno(), events.line(event))

    from llmbench.worker import cell

    if cell.run(job, say, joined(job, rank, Path(folder))) != "ok":
        time.sleep(LAST_SECONDS)
        sys.exit(ENDED_BADLY)


def joined(job: Job, rank: int, folder: Path) -> Any:
    """This rank's place among the others, once all have met."""
    import torch
    from torch import distributed

    from llmbench.worker.spread import Spread

    count, on_gpu = job.cell.settings.gpus, job.environment.device == "cuda"
    if on_gpu:
        torch.cuda.set_device(0)
    else:
        torch.set_num_threads(max(1, torch.get_num_threads() // count))
    distributed.init_process_group(
        "nccl" if on_gpu else "gloo",
        init_method=f"file://{folder / 'meeting'}",
        rank=rank,
        world_size=count,
        device_id=torch.device("cuda", 0) if on_gpu else None,
    )
    spreads = {plugin.registry().strategies.get(m.id).spreads for m in job.cell.members}
    return Spread(rank, count, parts_data="data" in spreads)


def followed(context: Any) -> Death | None:
    """Wait for all ranks to end; the death that ended them, if one did.

    At the user's word, which is SIGINT's, the first one gets the time to write its record.
    """
    errors.heed()  # the elastic launcher has put its own handlers there
    pids = context.pids()
    try:
        result = context.wait(period=POLL_SECONDS)
    except errors.Stop:
        _ask(pids[0])
        context.close(signal.SIGKILL, timeout=1)
        return Death(0, -signal.SIGINT)
    failures = [Death(rank, failure.exitcode) for rank, failure in result.failures.items()]
    return failures[0] if failures else None


def _ask(pid: int) -> None:
    """Have the process end by itself, for as long as it may take."""
    try:
        first = psutil.Process(pid)
        first.send_signal(signal.SIGINT)
        first.wait(GRACE_SECONDS)
    except psutil.Error:  # gone, or not in time
        return


def left_by(job: Job) -> Record | None:
    """The record as a rank last wrote it, if it came to that."""
    try:
        return Record.model_validate_json(job.record_file.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def merged(job: Job, left: Sequence[Record | None], death: Death | None) -> Record:
    """The record of the cell: the first rank's, with the peaks of all, and how it ended."""
    none = Record(cell=job.cell, attempt=job.attempt, status="running", environment=job.environment)
    first = left[0] or none
    ranks = tuple(Rank(peaks={n: p.memory for n, p in r.phases.items()} if r else {}) for r in left)
    phases = {
        name: phase.model_copy(update={"memory": most([r.peaks.get(name) for r in ranks], phase)})
        for name, phase in first.phases.items()
    }
    known = first.model_copy(
        update={
            "phases": phases,
            "ranks": ranks,
            "backend": "nccl" if job.environment.device == "cuda" else "gloo",
        }
    )
    if death is None or (death.status == -signal.SIGINT and known.status != "running"):
        return known
    return known.model_copy(update=ended_by(death, left))


def most(memories: Sequence[Memory | None], phase: PhaseRecord) -> Memory:
    """The memory of the rank that needed most of it."""
    readings = [m for m in memories if m is not None]

    def peak(memory: Memory) -> int:
        return memory.allocated_bytes or memory.host_growth_bytes or 0

    return max(readings, key=peak, default=phase.memory)


def ended_by(death: Death, left: Sequence[Record | None]) -> dict[str, Any]:
    """How the cell ended: as that rank's record says, or as its exit status does."""
    record, who = left[death.rank], f"Rank {death.rank} of {len(left)}"
    phase = record.phase if record else None
    if record is None or record.status == "running":
        return {"phase": phase, "traceback": None, **killed(who, death.status)}
    names = ("status", "phase", "reason", "traceback", "shortage")
    said = {name: getattr(record, name) for name in names}
    return said if record.status in ALIKE else {**said, "reason": f"{who}: {record.reason}"}


def killed(who: str, status: int) -> dict[str, Any]:
    """What the end of a rank without a finished record means for the cell."""
    if status >= 0:
        reason = f"{who} ended with exit status {status}: the cell's log has its last words."
        return {"status": "failed", "reason": reason}
    if -status == signal.SIGINT:  # and it did not come to writing so itself
        return dict(zip(("status", "reason"), outcome(errors.Stop()), strict=True))
    name = signal.strsignal(-status) or "an unknown signal"
    by_itself = -status in (signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, signal.SIGILL)
    return {
        "status": "failed" if by_itself else "killed",
        "reason": f"{who} ended by signal {-status} ({name}), and the cell with it: "
        "its log has its last words.",
    }
