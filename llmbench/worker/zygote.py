"""A process that has imported what every cell needs, and forks one child for each.

It reads a JSON line per cell, `{"job": PATH, "log": PATH}`, and answers on standard output with
the child's events and, at the end, `Exited`. It never touches CUDA: a
child that is forked after that could not use the GPU. Where something that it imported has touched
it, its first event, `Ready`, says so, and it forks none. What cells on a GPU need besides is
imported for the first of them; where that touched CUDA after all, the process starts anew, and
leaves that to each cell. It ends with its parent, and its children end with it.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from pathlib import Path
from typing import Any

from llmbench import process
from llmbench.process import quiet
from llmbench.record.events import Event, Exited, Forked, Ready, line
from llmbench.worker.preload import (
    cuda_initialised,
    has_gpu,
    initialised_by,
    past_runtime,
    preload,
)
from llmbench.workers.job import Job, read


def main() -> None:
    """Import, say so, then serve until standard input ends."""
    process.end_with_parent(int(sys.argv[1]))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    with quiet():
        preload()
    # A child that runs is to be ended with all that it started: see `wait`.
    process.outlive_parent()
    process.adopt_orphans()
    ready = Ready(cuda=has_gpu(), initialised_by=initialised_by())
    say(ready)
    anew = sys.argv[2:]
    if anew and not ready.initialised_by:
        serve(json.loads(anew[0]))
    while (request := sys.stdin.buffer.readline()) and not ready.initialised_by:
        if not anew:
            share(request.decode())
        serve(json.loads(request))
    os._exit(0)  # taking all that was imported to pieces would take seconds


def share(request: str) -> None:
    """Import what cells on a GPU need besides, if this is one; start anew where that touched CUDA.

    The request then goes along, since nobody will ask again.
    """
    job = read(Path(json.loads(request)["job"]).read_text("utf-8"))
    if not (isinstance(job, Job) and job.environment.device == "cuda" and has_gpu()):
        return
    with quiet():
        past_runtime()
    if cuda_initialised():
        start = [sys.executable, "-m", "llmbench.worker.zygote", sys.argv[1], request]
        os.execv(sys.executable, start)


def serve(request: dict[str, Any]) -> None:
    """Fork a child for the job and wait for it; end it if the parent goes."""
    zygote = os.getpid()
    child = os.fork()
    if child == 0:
        os._exit(run_child(request, zygote))
    status = wait(child)
    say(Exited(status=os.waitstatus_to_exitcode(status)))


def run_child(request: dict[str, Any], zygote: int) -> int:
    """Be the worker of one cell; returns the exit status."""
    from llmbench import errors
    from llmbench.worker import __main__ as worker

    os.setpgid(0, 0)
    process.end_with_parent(zygote)
    errors.heed()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    say(Forked(pid=os.getpid()))  # from now on it takes Ctrl-C
    return worker.end_of(Path(request["job"]), Path(request["log"]))


def wait(child: int) -> int:
    """Wait for the child to end, or for the parent to close standard input.

    Whatever the child started ends with it: it would take from the next one's time and memory.
    """
    handle = os.pidfd_open(child)
    ready = select.select([handle, sys.stdin], [], [])[0]
    process.end(child)
    if handle not in ready:
        process.end_children()
        os._exit(0)
    os.close(handle)
    status = os.waitpid(child, 0)[1]
    process.end_children()  # what it let go of, which has become our own
    return status


def say(event: Event) -> None:
    """Tell the parent."""
    os.write(1, line(event))


if __name__ == "__main__":
    main()
