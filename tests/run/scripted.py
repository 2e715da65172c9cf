"""A launcher that starts no process, and a listener that keeps what it is told."""

from __future__ import annotations

import os
import signal
from typing import ClassVar

from records import ok

from llmbench.files import write_text
from llmbench.plugin.launcher import Launcher
from llmbench.record.events import Started
from llmbench.workers.job import Job


class Scripted(Launcher):
    """Does what the test says for a composition, and else writes a record that is `ok`."""

    id, summary = "scripted", "no process at all"
    acts: ClassVar = {}

    def __init__(self):
        self.jobs, self.interrupted, self.closed = [], 0, 0
        type(self).latest = self

    @property
    def ran(self):
        return [job.cell.composition for job in self.jobs]

    def run(self, job, log, on_event):
        told = Job.model_validate_json(job.read_text())
        self.jobs.append(told)
        on_event(Started())
        return self.acts.get(told.cell.composition, finish)(told, log)

    def interrupt(self):
        self.interrupted += 1

    def close(self):
        self.closed += 1


class Heard:
    """A listener that keeps what it is told."""

    def __init__(self):
        self.plan, self.cells, self.events, self.records = None, [], [], []

    def start(self, plan, root):
        self.plan = plan

    def replan(self, plan):
        self.plan = plan

    def cell(self, cell):
        self.cells.append(cell.composition)

    def event(self, event, cell=None):
        self.events.append(event)

    def record(self, record, kept):
        self.records.append((record.cell.composition, record.status, kept))


def leave(job: Job, **changes) -> None:
    record = ok("lora", cell=job.cell, device="cpu", **changes)
    write_text(job.record_file, record.model_dump_json())


def finish(job, log):
    leave(job)
    return 0


def killed_in_training(job, log):
    leave(job, status="running", phase="train")
    log.write_text("the last words\n")
    return -signal.SIGKILL


def gone_at_once(job, log):
    return 1


def ctrl_c(job, log):
    os.kill(os.getpid(), signal.SIGINT)
    leave(job, status="interrupted", phase="train")
    return 0
