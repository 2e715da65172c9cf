"""Workers that are run through a launcher which does what the test says, and how that ends."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from records import cell, job_of

from llmbench.errors import ConfigError, PluginError
from llmbench.plugin.catalogue import Plugin
from llmbench.plugin.launcher import CannotLaunch, Launcher
from llmbench.record.events import Notice, PhaseBegun, Ready, Started
from llmbench.workers import launch
from llmbench.workers.launch import Workers, automatic, make_workers
from llmbench.workers.spawn import Spawn

STARTED, LOADS = Started(), PhaseBegun(phase="load")
WHY = "importing unsloth initialised CUDA"


class Standing(Launcher):
    """A worker that runs until it is ended, by whatever the test lets through."""

    id, summary = "standing", ""

    def __init__(self, ends_by=("interrupt", "kill"), says=(STARTED, LOADS)):
        self.ends_by, self.says, self.told = ends_by, says, []
        self.end = threading.Event()

    def run(self, job, log, on_event):
        self.told.append("run")
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
        self.told.append("run")
        on_event(STARTED)
        on_event(LOADS)
        return 7


class Unable(Standing):
    """A launcher that finds out that it can run none."""

    def run(self, job, log, on_event):
        self.told.append("run")
        on_event(Ready())
        raise CannotLaunch("No cell can be forked: use --launcher spawn.", WHY)


@pytest.fixture(autouse=True)
def impatient(monkeypatch, registry):
    monkeypatch.setattr(launch, "START_SECONDS", 30.0)
    monkeypatch.setattr(launch, "MARGIN_SECONDS", 0.0)
    monkeypatch.setattr(launch, "GRACE_SECONDS", 0.01)


@pytest.fixture
def run(tmp_path):
    """Has workers do a job with that limit; returns the outcome, and keeps what is said."""

    def run(workers, limit=None, listen=lambda event: None):
        job = job_of(cell("lora"), tmp_path, limit_seconds=limit)
        return workers.run(job, tmp_path / "log", listen)

    return run


def over(*launchers):
    """Workers of launchers, the first one first."""
    return Workers({f"number-{n}": lambda made=made: made for n, made in enumerate(launchers, 1)})


def test_a_job_is_written_for_the_worker_and_its_exit_status_returned(run, tmp_path):
    launcher = Quick()
    assert run(over(launcher)).status == 7
    assert launcher.told == ["run"]
    assert '"kind":"cell"' in (tmp_path / "cell.json").read_text()


def test_a_cell_that_takes_too_long_is_asked_to_end(run, monkeypatch):
    monkeypatch.setattr(launch, "GRACE_SECONDS", 60)
    launcher = Standing()
    assert run(over(launcher), 0.01).limit_seconds == 0.01
    assert launcher.told == ["run", "interrupt"]


def test_a_worker_that_crashes_once_its_time_is_over_took_too_long(run, monkeypatch):
    """Writing its stacks may have been too much for it, before it was asked to end."""
    monkeypatch.setattr(launch, "MARGIN_SECONDS", 30.0)
    launcher = Standing(ends_by=())
    threading.Timer(0.2, launcher.end.set).start()
    assert run(over(launcher), 0.01).limit_seconds == 0.01
    assert launcher.told == ["run"]


def test_a_cell_that_does_not_end_when_asked_to_is_ended(run):
    launcher = Standing(ends_by=("kill",))
    assert run(over(launcher), 0.01).limit_seconds == 0.01
    assert launcher.told == ["run", "interrupt", "kill"]


@pytest.mark.parametrize(("after", "ran_out"), [(4, True), (3, False)])
def test_whether_the_system_ended_a_process_for_lack_of_memory_is_told(
    run, monkeypatch, after, ran_out
):
    counts = iter([3, after])
    monkeypatch.setattr(launch.machine, "kills", lambda: next(counts))
    assert run(over(Quick())).out_of_memory is ran_out


def test_a_launcher_that_cannot_interrupt_is_no_way_out(run):
    class Broken(Standing):
        def interrupt(self):
            raise OSError("not here")

    launcher = Broken()
    run(over(launcher), 0.01)
    assert launcher.told == ["run", "kill"]


def test_the_limit_counts_from_the_workers_start(run, monkeypatch):
    """Whatever the first cell has to wait for before that is not its own."""
    clock, wound = SimpleNamespace(now=0.0), []
    monkeypatch.setattr(launch, "time", SimpleNamespace(monotonic=lambda: clock.now))

    class Timer:
        def __init__(self, seconds, end):
            wound.append(seconds)

        def start(self):
            """Never ends."""

        join = cancel = start

    monkeypatch.setattr("threading.Timer", Timer)

    class Slow(Quick):
        def run(self, job, log, on_event):
            for clock.now, event in ((50.0, STARTED), (55.0, LOADS)):
                on_event(event)
            return 0

    outcome = run(over(Slow()), 60)
    assert wound == [90.0, 60.0]
    assert (outcome.start_seconds, outcome.limit_seconds) == (55.0, None)


def test_each_cell_has_the_whole_limit_and_its_own_end(run):
    launcher = Standing()
    workers = over(launcher)
    assert run(workers, 0.01).limit_seconds == 0.01
    launcher.run = Quick().run
    assert run(workers, 30).limit_seconds is None


def test_without_a_limit_nothing_is_timed_but_the_start(run):
    launcher = Quick()
    outcome = run(over(launcher))
    assert launcher.told == ["run"]
    assert outcome.start_seconds >= 0
    assert outcome.limit_seconds is None


def test_a_worker_that_never_began_has_no_start(run, monkeypatch):
    monkeypatch.setattr(launch, "START_SECONDS", 0.01)
    assert run(over(Standing(says=())), 0.01).start_seconds is None


def test_whoever_asks_before_there_is_a_worker_is_heard_when_it_starts(run):
    launcher = Standing()
    workers = over(launcher)
    workers.interrupt()
    assert run(workers).interrupted
    assert launcher.told == ["interrupt", "run", "interrupt"]


def test_where_the_first_launcher_can_run_the_cells_nothing_is_said(run):
    first, second, heard = Quick(), Quick(), []
    workers = over(first, second)
    assert run(workers, listen=heard.append).status == run(workers).status == 7
    assert (first.told, second.told) == (["run", "run"], [])
    assert heard == [STARTED, LOADS]


def test_where_it_can_run_none_the_next_does_and_that_is_said_once(run):
    first, second, heard = Unable(), Quick(), []
    workers = over(first, second)
    run(workers, listen=heard.append)
    run(workers, listen=heard.append)
    assert [e.reason for e in heard if isinstance(e, Notice)] == [
        f"Cells are started by number-2, as number-1 cannot: {WHY}."
    ]
    assert (first.told, second.told) == (["run", "close"], ["run", "run"])


def test_where_none_can_run_any_the_last_one_says_why(run):
    with pytest.raises(CannotLaunch, match="use --launcher spawn"):
        run(over(Unable(), Unable()))


@pytest.mark.parametrize("how", ["interrupt", "close"])
def test_whatever_ends_a_cell_reaches_the_launcher_that_runs_it(run, how):
    first, second = Unable(), Quick()
    workers = over(first, second)
    getattr(workers, how)()
    run(workers)
    getattr(workers, how)()
    assert first.told == [how, "run", "close"]
    assert [told for told in second.told if told != "run"][-1] == how


def test_the_next_launchers_cells_have_their_limit_too(run):
    second = Standing(ends_by=("kill",))
    assert run(over(Unable(), second), 0.01).limit_seconds == 0.01
    assert second.told == ["run", "interrupt", "kill"]


@pytest.mark.parametrize(("system", "names"), [("Linux", ["fork", "spawn"]), ("Darwin", ["spawn"])])
def test_auto_takes_what_says_that_it_suits_the_machine(registry, monkeypatch, system, names):
    monkeypatch.setattr("platform.system", lambda: system)
    assert automatic() == names


def test_auto_leaves_out_who_does_not_ask_to_be_taken(registry):
    class Theirs(Spawn):
        id = "theirs"

    for kind in (Standing, Theirs):
        registry.launchers.add(kind.id, kind, Plugin("theirs", "theirs 1.0"))
    assert {"standing", "theirs"}.isdisjoint(automatic())
    assert make_workers("standing")._name == "standing"


def test_a_single_job_is_given_to_the_one_that_prepares_nothing(registry):
    assert make_workers("auto", once=True)._name == "spawn"


def test_without_a_launcher_it_is_said_what_leaves_them_out(registry):
    registry.launchers.entries.clear()
    with pytest.raises(ConfigError, match="LLMBENCH_PLUGINS"):
        make_workers("auto")


def test_what_is_no_exit_status_is_the_launchers_fault(run):
    class Odd(Quick):
        def run(self, job, log, on_event):
            return "fine"

    with pytest.raises(PluginError, match=r"launcher 'number-1' .*it returned str, not an exit"):
        run(over(Odd()))


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_limit_counts_while_a_worker_starts_and_not_while_it_waits_for_a_machine(
    elsewhere, tmp_path, monkeypatch
):
    monkeypatch.setattr(launch, "START_SECONDS", 0.0)
    launcher = Standing(says=())
    ends = threading.Timer(0.3, lambda: launcher.tell("kill"))
    ends.start()
    job = job_of(cell("lora"), tmp_path, limit_seconds=0.01, elsewhere=elsewhere)
    outcome = over(launcher).run(job, tmp_path / "log", lambda event: None)
    ends.cancel()
    assert (outcome.limit_seconds is None) == elsewhere
    assert ("interrupt" in launcher.told) != elsewhere
