from __future__ import annotations

import errno
from pathlib import Path

import pytest
import torch
from records import cell, job_of

from llmbench.errors import DataError
from llmbench.plugin.probe import Probe
from llmbench.plugin.strategy import CannotRun
from llmbench.record import events
from llmbench.record.events import PhaseBegun, StepTaken
from llmbench.record.record import Step
from llmbench.storage.read import read_record
from llmbench.worker.memory import Meter
from llmbench.worker.recorder import Recorder, outcome
from llmbench.worker.train import Diverged

STEP = Step(
    seconds=0.5,
    loss=2.0,
    learning_rate=1e-3,
    supervised_tokens=10,
    nonpadding_tokens=100,
    padded_tokens=128,
)


class Counter(Probe):
    """Says which phases it was entered for."""

    id, summary = "counter", ""

    def __init__(self):
        self.entered = []

    def enter(self, phase):
        self.entered.append(phase)

    def leave(self, phase):
        return {"entered_count": len(self.entered)}


@pytest.fixture
def job(tmp_path):
    return job_of(cell("lora"), tmp_path, started_at=1_800_000_000.0)


@pytest.fixture
def said():
    return []


@pytest.fixture
def recorder(job, said):
    return Recorder(job, Meter(torch.device("cpu")), [Counter()], said.append)


def allocation_error() -> BaseException:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(10**15)
    return caught.value


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (None, "ok", None),
        (torch.OutOfMemoryError("CUDA out of memory.\nTried more"), "oom", "CUDA out of memory."),
        (MemoryError(), "oom", "MemoryError"),
        (RuntimeError("CUDA error: out of memory"), "oom", "CUDA error: out of memory"),
        (CannotRun("No flash kernel."), "skipped", "No flash kernel."),
        (Diverged("The loss became nan."), "diverged", "The loss became nan."),
        (KeyboardInterrupt(), "interrupted", "Interrupted by the user."),
        (DataError("Give a file."), "failed", "Give a file."),
        (ZeroDivisionError("division by zero"), "failed", "ZeroDivisionError: division by zero"),
        (SystemExit(3), "failed", "SystemExit: 3"),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "interrupted",
            "The disk is full: make room, and run it again ([Errno 28] No space left on device).",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_an_exception_means_a_status(error, status, reason):
    assert outcome(error) == (status, reason)


def test_memory_that_the_host_has_not_got_is_out_of_memory():
    assert outcome(allocation_error())[0] == "oom"


def test_an_operation_without_equal_bits_is_named_with_the_way_out():
    torch.use_deterministic_algorithms(True)
    try:
        with pytest.raises(RuntimeError) as caught:
            torch.zeros(3).put_(torch.tensor([0]), torch.tensor([1.0]))
    finally:
        torch.use_deterministic_algorithms(False)
    reason = "put_ gives no equal bits: run it without --deterministic."
    assert outcome(caught.value) == ("failed", reason)


def test_what_is_known_is_on_disk_from_the_start_of_a_phase(recorder, job):
    with recorder.phase("load"):
        held = read_record(job.record_file)
    assert (held.status, held.phase, held.phases) == ("running", "load", {})


def test_a_finished_phase_is_on_disk_with_seconds_memory_and_probes(recorder, job):
    with recorder.phase("load"):
        pass
    with recorder.phase("train"):
        recorder.step(STEP)
    held = read_record(job.record_file)
    assert list(held.phases) == ["load", "train"]
    assert held.phases["train"].seconds >= 0
    assert held.phases["train"].memory.host_growth_bytes is not None
    assert held.phases["train"].probes == {"counter": {"entered_count": 2}}
    assert held.steps == (STEP,)


def test_memory_is_read_while_probes_hold_theirs(recorder, job, monkeypatch):
    order = []
    read, leave = recorder.meter._peaks, Counter.leave

    def peaks():
        order.append("memory")
        return read()

    def left(probe, phase):
        order.append("probe")
        return leave(probe, phase)

    monkeypatch.setattr(recorder.meter, "_peaks", peaks)
    monkeypatch.setattr(Counter, "leave", left)
    with recorder.phase("load"):
        pass
    assert order == ["memory", "probe"]


def test_what_was_in_force_adds_up(recorder, job):
    recorder.observe(autocast="off", attention="sdpa")
    recorder.observe(attention="eager")
    recorder.finish(None)
    assert read_record(job.record_file).effective == {"autocast": "off", "attention": "eager"}


def test_a_phase_that_fails_is_measured_and_named(recorder, job):
    with pytest.raises(ZeroDivisionError) as caught, recorder.phase("prepare"):
        raise ZeroDivisionError(f"in {Path.home()}/model")
    recorder.finish(caught.value)
    held = read_record(job.record_file)
    assert (held.status, held.phase) == ("failed", "prepare")
    assert "prepare" in held.phases
    assert "ZeroDivisionError: in ~/model" in held.traceback
    assert str(Path.home()) + "/model" not in held.traceback


def test_a_cell_that_ended_well_names_no_phase_and_no_traceback(recorder, job):
    with recorder.phase("load"):
        pass
    recorder.finish(None)
    held = read_record(job.record_file)
    assert (held.status, held.phase, held.reason, held.traceback) == ("ok", None, None, None)
    assert held.seconds > 0


def test_out_of_memory_says_what_there_was(recorder, job):
    with pytest.raises(RuntimeError) as caught, recorder.phase("train"):
        torch.empty(2**50, dtype=torch.uint8)
    recorder.finish(caught.value)
    held = read_record(job.record_file)
    assert (held.status, held.phase, held.traceback) == ("oom", "train", None)
    assert (held.shortage.where, held.shortage.asked_bytes) == ("host", 2**50)
    assert 0 < held.shortage.free_bytes <= held.shortage.total_bytes
    assert held.phases["train"].memory.host_growth_bytes is not None


def test_out_of_memory_keeps_the_steps_and_no_traceback(recorder, job):
    recorder.step(STEP)
    with pytest.raises(MemoryError) as caught, recorder.phase("train"):
        raise MemoryError
    recorder.finish(caught.value)
    held = read_record(job.record_file)
    assert (held.status, held.phase, len(held.steps), held.traceback) == ("oom", "train", 1, None)


def test_the_parent_hears_of_phases_and_steps_in_short_lines(recorder, said):
    with recorder.phase("train"):
        recorder.step(STEP)
        recorder.step(STEP.model_copy(update={"loss": None}))
    assert said[0] == PhaseBegun(phase="train")
    assert said[1].memory_bytes >= 0
    step = {"step": 1, "steps": 20, "loss": 2.0, "tokens_per_second": 200.0}
    assert said[1] == StepTaken(**step, memory_bytes=said[1].memory_bytes)
    assert said[2].loss is None
    assert all(len(events.line(event)) < 512 for event in said)


def test_notes_and_warnings_are_kept(recorder, job):
    recorder.warn("First.")
    recorder.warn("Second.")
    recorder.note(first_loss=3.5)
    recorder.finish(None)
    held = read_record(job.record_file)
    assert (held.warnings, held.first_loss) == (("First.", "Second."), 3.5)


def test_when_a_cell_started_is_in_utc(recorder, job):
    recorder.finish(None)
    assert read_record(job.record_file).started_at == "2027-01-15T08:00:00+00:00"
