"""`python -m llmbench.worker JOB LOG`: run one cell in this process, or predict some.

Events go to standard output as JSON lines; whatever the libraries print goes to the log.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
import traceback
from pathlib import Path

from llmbench import errors, plugin, process
from llmbench.errors import StoreError
from llmbench.machine import collect
from llmbench.record import events
from llmbench.record.events import Event, Say, Started
from llmbench.workers.job import CANNOT_WRITE, EstimateJob, Job, read


class Once(logging.Filter):
    """Lets a message through once: bitsandbytes warns at every layer of every step."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the message is new."""
        message = record.getMessage()
        new = message not in self._seen
        self._seen.add(message)
        return new


def main(job_file: Path, log: Path) -> None:
    """Run the job, its output going to the log and its events to what was standard output.

    A crash writes its stack to the log, and so does a cell that takes longer than it may.
    """
    errors.heed()
    output = redirect(log)
    if logging.lastResort:
        logging.lastResort.addFilter(Once())

    def say(event: Event) -> None:
        # One write a line, shorter than PIPE_BUF: no other writer can come in between.
        try:
            os.write(output, events.line(event))
        except BrokenPipeError:
            raise errors.Stop from None  # nobody listens any more

    faulthandler.enable()
    run(read(job_file.read_text("utf-8")), say, output)


def run(job: Job | EstimateJob, say: Say, output: int) -> None:
    """Do what the job says. A cell's time starts once what all cells need is imported.

    `output` is where events go that `say` is told, for processes of its own to write to as well.
    """
    if isinstance(job, Job) and job.elsewhere:
        job = job.model_copy(update={"environment": collect(job.environment.device)})
    if isinstance(job, EstimateJob) or job.environment.device == "cpu":
        # No use is made of a GPU: let no import put a context on it, which others would see.
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    elif job.visible_gpus is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = job.visible_gpus
    for file in job.plugin_files:
        plugin.include(file)
    if isinstance(job, EstimateJob):
        say(Started())
        from llmbench.worker.estimate import job as estimate

        estimate.run(job, say)
        return
    from llmbench.worker.preload import preload

    preload()
    if job.limit_seconds is not None:
        faulthandler.dump_traceback_later(job.limit_seconds)
    say(Started())
    if job.cell.settings.gpus > 1:
        from llmbench.worker import ranks

        ranks.run(job, output)
        return
    from llmbench.worker import cell

    cell.run(job, say)


def redirect(log: Path) -> int:
    """Send standard output and error to the log; returns the old standard output."""
    output = os.dup(1)
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    sys.stdout.flush()
    os.dup2(target, 1)
    os.dup2(target, 2)
    os.close(target)
    return output


def end_of(job_file: Path, log: Path) -> int:
    """Run the job; the status to exit with, at once: a thread left running would be waited for."""
    try:
        main(job_file, log)
    except KeyboardInterrupt:
        return errors.INTERRUPTED
    except BaseException as error:
        traceback.print_exc()
        return CANNOT_WRITE if isinstance(error, StoreError) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    process.watch_over(os.getppid())
    if not hasattr(os, "pidfd_open"):
        process.end_with_parent()
    os._exit(end_of(Path(sys.argv[1]), Path(sys.argv[2])))
