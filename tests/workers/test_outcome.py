from __future__ import annotations

import signal
from pathlib import Path

import pytest
from records import cell, environment, ok

from llmbench.files import write_text
from llmbench.workers import outcome
from llmbench.workers.job import CANNOT_WRITE, Job


@pytest.fixture
def job(tmp_path):
    return Job(
        cell=cell("lora"),
        environment=environment("cpu"),
        model_source="model",
        record_file=tmp_path / "record.json",
        work_folder=tmp_path,
        started_at=0.0,
    )


def test_the_workers_own_record_is_kept_whatever_its_exit_status(job, tmp_path):
    record = ok("lora", device="cpu")
    write_text(job.record_file, record.model_dump_json())
    assert outcome.record_of(job, -signal.SIGKILL, tmp_path / "log") == record


def test_a_worker_that_dies_in_a_phase_leaves_what_is_known_of_it(job, tmp_path):
    begun = ok("lora", device="cpu", status="running", phase="evaluate")
    write_text(job.record_file, begun.model_dump_json())
    found = outcome.record_of(job, -signal.SIGKILL, tmp_path / "log")
    assert (found.status, found.phase, found.steps) == ("killed", "evaluate", begun.steps)
    assert "memory" in found.reason


def test_a_worker_that_dies_at_once_leaves_a_record_of_its_cell(job, tmp_path):
    found = outcome.record_of(job, 1, tmp_path / "no-log")
    assert (found.cell, found.status, found.environment) == (job.cell, "failed", job.environment)
    assert found.traceback is None


def test_a_record_that_was_cut_off_counts_as_none(job, tmp_path):
    job.record_file.write_text('{"schema_version": 1, "ce')
    assert outcome.record_of(job, 3, tmp_path / "log").status == "failed"


@pytest.mark.parametrize(
    ("status", "ended", "words"),
    [
        (-signal.SIGKILL, "killed", "SIGKILL"),
        (-signal.SIGSEGV, "failed", "signal 11 (Segmentation fault)"),
        (-signal.SIGABRT, "failed", "signal 6 (Aborted)"),
        (-signal.SIGHUP, "killed", "signal 1 (Hangup)"),
        (-(signal.SIGRTMIN + 3), "killed", "signal 37"),
        (-999, "killed", "signal 999 (an unknown signal)"),
        (-(10**30), "killed", "an unknown signal"),
        (0, "failed", "exit status 0"),
        (CANNOT_WRITE, "interrupted", "make room on the disk"),
        (137, "failed", "exit status 137"),
    ],
)
def test_an_exit_status_says_how_a_worker_died(status, ended, words):
    found, reason = outcome.death(status)
    assert found == ended
    assert words in reason


def test_the_end_of_the_log_is_kept_without_the_home_directory(job, tmp_path):
    log = tmp_path / "log"
    lines = [f"line {i}" for i in range(100)] + [f"{Path.home()}/model failed \ufffd"]
    log.write_bytes("\n".join(lines).encode() + b"\xff\n")
    kept = outcome.record_of(job, 1, log).traceback.splitlines()
    assert len(kept) == outcome.LOG_LINES
    assert kept[-1].startswith("~/model failed")


def test_a_crash_is_told_by_its_signal_and_its_stack(job, tmp_path):
    log = tmp_path / "log"
    log.write_text(
        "Fatal Python error: Aborted\n  File a.py\n\nExtension modules: a, b (total: 2)\n"
    )
    record = outcome.record_of(job, -signal.SIGABRT, log)
    assert record.reason.startswith("The worker ended by signal 6 (Aborted)")
    assert record.traceback == "Fatal Python error: Aborted\n  File a.py\n"
