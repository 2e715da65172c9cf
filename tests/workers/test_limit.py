"""A launcher that keeps time, around one that does what the test says."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from records import ended, ok

from llmbench.plugin.launcher import Launcher
from llmbench.record.events import PhaseBegun, Started
from llmbench.workers import launch
from llmbench.workers.launch import Timed

STARTED, LOADS = Started(), PhaseBegun(phase="load")
STACK = 'Timeout (0:00:01)!\nThread 0x01 (most recent call first):\n  File "a.py", line 1 in f\n'


class Standing(Launcher):
    """A worker that runs until it is ended, by whatever the test lets through."""

    id, summary = "standing", ""

    def __init__(self, ends_by=("interrupt", "kill"), says=(STARTED, LOADS)):
        self.ends_by, self.says, self.told = ends_by, says, []
        self.end = threading.Event()

    def run(self, job, log, on_event):
        self.end.clear()
        for event in self.says:
            on_event(event)
        assert self.end.wait(60)
        return 0

    def tell(self, how):
        self.told.append(how)
        if how in self.ends_by:
            self.end.set()

    def interrupt(self):
        self.tell("interrupt")

    def kill(self):
        self.tell("kill")

    def close(self):
        self.tell("close")


class Quick(Standing):
    """A worker that ends by itself."""

    def run(self, job, log, on_event):
        on_event(Started())
        on_event(LOADS)
        return 7


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(launch, "START_SECONDS", 30.0)
    monkeypatch.setattr(launch, "MARGIN_SECONDS", 0.0)
    monkeypatch.setattr(launch, "GRACE_SECONDS", 0.01)


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log"
    path.write_text(f"loading\nTimeout (0:00:09)!\n{STACK}")
    return path


def run(launcher, log, on_event=lambda event: None):
    return launcher.run(log, log, on_event)


def test_a_cell_that_takes_too_long_is_asked_to_end(log, monkeypatch):
    monkeypatch.setattr(launch, "GRACE_SECONDS", 60)
    inner = Standing()
    launcher = Timed(inner, 0.01)
    run(launcher, log)
    assert inner.told == ["interrupt"]
    interrupted = ok("lora", status="interrupted", phase="train", reason="Interrupted by the user.")
    record = launcher.judged(interrupted, log)
    assert (record.status, record.phase, record.steps) == ("timeout", "train", interrupted.steps)
    assert record.reason.startswith("The cell took longer than 0.01 s: ")
    assert "--cell-timeout" in record.reason
    assert record.traceback == STACK


def test_a_worker_that_crashes_once_its_time_is_over_took_too_long(log, monkeypatch):
    """Writing its stacks may have been too much for it, before it was asked to end."""
    monkeypatch.setattr(launch, "MARGIN_SECONDS", 30.0)
    inner = Standing(ends_by=())
    launcher = Timed(inner, 0.01)
    threading.Timer(0.2, inner.end.set).start()
    run(launcher, log)
    assert inner.told == []
    crashed = ok("lora", status="failed", phase="train", reason="The worker ended by signal 11.")
    assert launcher.judged(crashed, log).status == "timeout"


def test_a_cell_that_does_not_end_when_asked_to_is_ended(log):
    inner = Standing(ends_by=("kill",))
    launcher = Timed(inner, 0.01)
    run(launcher, log)
    assert inner.told == ["interrupt", "kill"]
    assert launcher.judged(ended("lora", "killed", "SIGKILL"), log).status == "timeout"


def test_a_worker_that_the_system_ended_ran_out_of_memory(log, monkeypatch):
    counts = iter([3, 4])
    monkeypatch.setattr(launch.machine, "kills", lambda: next(counts))
    launcher = Timed(Quick())
    run(launcher, log)
    record = launcher.judged(ended("lora", "killed", "SIGKILL"), log)
    assert (record.status, record.phase, record.shortage.where) == ("oom", "train", "host")


def test_a_worker_that_somebody_else_killed_did_not(log, monkeypatch):
    monkeypatch.setattr(launch.machine, "kills", lambda: 3)
    launcher = Timed(Quick())
    run(launcher, log)
    record = launcher.judged(ended("lora", "killed", "SIGKILL"), log)
    assert (record.status, record.reason) == ("killed", "SIGKILL")


def test_a_launcher_that_cannot_interrupt_is_no_way_out(log):
    class Broken(Standing):
        def interrupt(self):
            raise OSError("not here")

    inner = Broken()
    run(Timed(inner, 0.01), log)
    assert inner.told == ["kill"]


@pytest.mark.parametrize("status", ["ok", "oom", "diverged", "skipped"])
def test_what_a_cell_found_before_its_end_counts(log, status):
    launcher = Timed(Standing(), 0.01)
    run(launcher, log)
    assert launcher.judged(ended("lora", status, "because"), log).status == status


def test_the_limit_counts_from_the_workers_start(log, monkeypatch):
    """Whatever the first cell has to wait for before that is not its own."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(launch, "time", SimpleNamespace(monotonic=lambda: clock.now))

    class Slow(Quick):
        def run(self, job, log, on_event):
            for clock.now, event in ((50.0, Started()), (55.0, LOADS)):
                on_event(event)
            return 0

    launcher, wound = Timed(Slow(), 60), []
    run(launcher, log, lambda event: wound.append(launcher._clock.interval))
    assert wound == [60.0, 60.0]
    assert launcher.judged(ok("lora"), log).start_seconds == 55.0


def test_each_cell_has_the_whole_limit_and_its_own_end(log):
    launcher = Timed(Standing(), 0.01)
    run(launcher, log)
    assert launcher.judged(ended("lora", "failed", "because"), log).status == "timeout"
    launcher._inner = Quick()
    assert run(launcher, log) == 7
    assert launcher.judged(ended("lora", "failed", "because"), log).status == "failed"


def test_without_a_limit_nothing_is_timed_but_the_start(log):
    inner = Quick()
    launcher = Timed(inner)
    run(launcher, log)
    record = launcher.judged(ok("lora", start_seconds=None), log)
    assert inner.told == []
    assert record.start_seconds >= 0
    assert record == ok("lora", start_seconds=record.start_seconds)


def test_a_worker_that_never_began_has_no_start(log, monkeypatch):
    monkeypatch.setattr(launch, "START_SECONDS", 0.01)
    inner = Standing(says=())
    launcher = Timed(inner, 0.01)
    run(launcher, log)
    assert launcher.judged(ended("lora", "killed", "SIGKILL"), log).start_seconds is None


def test_whoever_asks_before_there_is_a_worker_is_heard_when_it_starts(log):
    inner = Standing()
    launcher = Timed(inner)
    launcher.interrupt()
    run(launcher, log)
    assert inner.told == ["interrupt", "interrupt"]


def test_a_cell_that_failed_because_it_was_interrupted_was_interrupted(log):
    launcher = Timed(Quick())
    launcher.interrupt()
    run(launcher, log)
    record = launcher.judged(ended("lora", "failed", "RuntimeError: in a callback"), log)
    assert (record.status, record.reason) == ("interrupted", "Interrupted by the user.")


def test_a_log_without_stacks_has_none_to_show(tmp_path):
    assert launch.stacks(tmp_path / "nothing") is None
    (tmp_path / "log").write_text("loading\n")
    assert launch.stacks(tmp_path / "log") is None
