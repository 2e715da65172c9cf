from __future__ import annotations

import signal
from pathlib import Path

import pytest
from records import cell, job_of, ok

from llmbench.files import write_text
from llmbench.record.record import MemoryParts, Shortage
from llmbench.workers import outcome
from llmbench.workers.job import CANNOT_WRITE
from llmbench.workers.outcome import Outcome


@pytest.fixture
def job(tmp_path):
    return job_of(cell("lora"), tmp_path)


@pytest.fixture
def recorded(job, tmp_path):
    """The final record, where a worker ended with that status and what else is known of it."""

    def recorded(status=0, instead=lambda phase, shortage: None, predicted=None, **seen):
        ended = Outcome(status, tmp_path / "log", **seen)
        return outcome.record_of(job, ended, predicted, instead)

    return recorded


@pytest.fixture
def left(job):
    """Leaves a record of a worker that found its end by itself."""

    def leave(status, **changes):
        record = ok("lora", device="cpu", status=status, phase="train", **changes)
        write_text(job.record_file, record.model_dump_json())
        return record

    return leave


def test_the_workers_own_record_is_kept_whatever_its_exit_status(job, recorded, tmp_path):
    record = ok("lora", device="cpu")
    write_text(job.record_file, record.model_dump_json())
    assert recorded(-signal.SIGKILL, start_seconds=record.start_seconds) == record


def test_a_worker_that_dies_in_a_phase_leaves_what_is_known_of_it(job, recorded, tmp_path):
    begun = ok("lora", device="cpu", status="running", phase="evaluate")
    write_text(job.record_file, begun.model_dump_json())
    found = recorded(-signal.SIGKILL)
    assert (found.status, found.phase, found.steps) == ("killed", "evaluate", begun.steps)
    assert "memory" in found.reason


def test_a_worker_that_dies_at_once_leaves_a_record_of_its_cell(job, recorded, tmp_path):
    found = recorded(1)
    assert (found.cell, found.status, found.environment) == (job.cell, "failed", job.environment)
    assert found.traceback is None


def test_a_record_that_was_cut_off_counts_as_none(job, recorded, tmp_path):
    job.record_file.write_text('{"schema_version": 1, "ce')
    assert recorded(3).status == "failed"


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
    found = outcome.death(status)
    assert found.status == ended
    assert words in found.reason


def test_the_end_of_the_log_is_kept_without_the_home_directory(job, recorded, tmp_path):
    log = tmp_path / "log"
    lines = [f"line {i}" for i in range(100)] + [f"{Path.home()}/model failed \ufffd"]
    log.write_bytes("\n".join(lines).encode() + b"\xff\n")
    kept = recorded(1).traceback.splitlines()
    assert len(kept) == outcome.LOG_LINES
    assert kept[-1].startswith("~/model failed")


def test_a_crash_is_told_by_its_signal_and_its_stack(job, recorded, tmp_path):
    log = tmp_path / "log"
    log.write_text(
        "Fatal Python error: Aborted\n  File a.py\n\nExtension modules: a, b (total: 2)\n"
    )
    record = recorded(-signal.SIGABRT)
    assert record.reason.startswith("The worker ended by signal 6 (Aborted)")
    assert record.traceback == "Fatal Python error: Aborted\n  File a.py\n"


STACK = 'Timeout (0:00:01)!\nThread 0x01 (most recent call first):\n  File "a.py", line 1 in f\n'


@pytest.mark.parametrize("status", ["interrupted", "killed", "failed"])
def test_a_cell_that_exceeded_its_limit_is_told_so_with_its_last_stacks(
    left, recorded, tmp_path, status
):
    (tmp_path / "log").write_text(f"loading\nTimeout (0:00:09)!\n{STACK}")
    before = left(status, reason="Whatever it was.")
    record = recorded(limit_seconds=0.01)
    assert (record.status, record.phase, record.steps) == ("timeout", "train", before.steps)
    assert record.reason.startswith("The run took longer than 0.01 s: ")
    assert "--cell-timeout" in record.reason
    assert record.traceback == STACK


@pytest.mark.parametrize("status", ["ok", "oom", "diverged", "skipped"])
def test_what_a_cell_found_before_its_end_counts(left, recorded, status):
    left(status, reason="because")
    assert recorded(limit_seconds=0.01, interrupted=True, out_of_memory=True).status == status


def test_a_worker_that_the_system_ended_ran_out_of_memory(left, recorded):
    left("running")
    record = recorded(-signal.SIGKILL, out_of_memory=True)
    assert (record.status, record.phase, record.shortage.where) == ("oom", "train", "host")
    assert record.reason.startswith("The host's memory ran out")


def test_a_worker_that_somebody_else_killed_did_not(left, recorded):
    left("running")
    assert recorded(-signal.SIGKILL).status == "killed"


def test_a_cell_that_failed_because_it_was_interrupted_was_interrupted(left, recorded):
    left("failed", reason="RuntimeError: in a callback")
    record = recorded(interrupted=True)
    assert (record.status, record.reason) == ("interrupted", "Interrupted by the user.")


def test_a_shortage_is_told_with_what_is_predicted_to_fit(left, recorded):
    left("oom", reason="as torch has it", shortage=Shortage(where="cuda", asked_bytes=2**30))
    record = recorded(instead=lambda phase, shortage: f"lora+4-bit in {phase}")
    assert record.reason.startswith("The GPU's memory ran out when 1.0 GiB were asked for: take ")
    assert record.shortage.instead == "lora+4-bit in train"


def test_an_end_without_figures_of_memory_keeps_its_reason(left, recorded):
    left("oom", reason="as torch has it")
    assert recorded(instead=lambda phase, shortage: "lora").reason == "as torch has it"


def test_what_is_known_from_outside_is_in_every_record(left, recorded):
    left("ok", start_seconds=None)
    parts = MemoryParts(weights_bytes=7)
    record = recorded(start_seconds=1.5, predicted=parts)
    assert (record.start_seconds, record.predicted) == (1.5, parts)


def test_a_log_without_stacks_has_none_to_show(tmp_path):
    assert outcome.stacks(tmp_path / "nothing") is None
    (tmp_path / "log").write_text("loading\n")
    assert outcome.stacks(tmp_path / "log") is None
