"""Has a worker predict: the parent's end of an `EstimateJob`."""

from __future__ import annotations

from pathlib import Path

from llmbench.errors import UserError
from llmbench.files import write_text
from llmbench.plugin.launcher import Launcher
from llmbench.record.events import Say
from llmbench.redact import log as logs
from llmbench.workers import outcome
from llmbench.workers.job import Answer, EstimateJob


class EstimateError(UserError):
    """Memory that could not be predicted: the worker ended before its answer."""


def ask(job: EstimateJob, launcher: Launcher, log: Path, listen: Say) -> Answer:
    """The worker's answer; EstimateError, with its last words, where there is none."""
    job_file = job.answer_file.with_name("estimate.json")
    write_text(job_file, job.model_dump_json())
    try:
        status = launcher.run(job_file, log, listen)
    finally:
        logs.clean(log)
    try:
        return Answer.model_validate_json(job.answer_file.read_text("utf-8"))
    except (OSError, ValueError):
        words = outcome.last_lines(log) or outcome.death(status)[1]
        last = words.splitlines()[-1].strip().rstrip(".")
        raise EstimateError(
            f"Memory could not be predicted ({last}): "
            "'llmbench doctor' says what this machine lacks."
        ) from None
