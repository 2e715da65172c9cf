"""A worker that measures nothing, by the command that a launcher starts: no torch, no waiting.

What it does stands in a file, by composition: it ends well, or as the test wants it to.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from records import ok

from llmbench import errors
from llmbench.record import events
from llmbench.record.events import PhaseBegun, Started
from llmbench.workers.job import Job


def main(job_file: Path, log: Path, told: Path) -> None:
    """`told` is a folder: in `acts.json`, what to do; and the job of each attempt, to be left."""
    errors.heed()
    job = Job.model_validate_json(job_file.read_text())
    name = job.cell.composition
    (told / f"{name}.s{job.cell.seed}.{job.attempt}").write_text(job_file.read_text())
    with log.open("a") as file:
        file.write(f"the log of {name}\n")
    for event in (Started(), PhaseBegun(phase="train")):
        os.write(1, events.line(event))
    act = json.loads((told / "acts.json").read_text()).get(name)
    if act == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if act == "lost" or (act == "lost once" and job.attempt == 1):
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    status = "ok"
    if act == "waits":
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            status = "interrupted"
    if act != "leaves nothing":
        environment = job.environment.model_copy(update={"device_name": "where it ran"})
        record = ok(name, cell=job.cell, device="cpu", status=status, environment=environment)
        job.record_file.write_text(record.model_dump_json())


if __name__ == "__main__":
    main(*map(Path, sys.argv[2:]), Path(sys.argv[1]))
