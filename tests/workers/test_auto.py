"""Cells are forked, and spawned where what they import has initialised CUDA."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from initialising import site
from records import SHAPE, ok

from llmbench.plugin.launcher import CannotLaunch, Launcher
from llmbench.record.events import Notice, Ready, Started
from llmbench.storage.store import Store
from llmbench.workers import launch
from llmbench.workers.auto import Auto
from llmbench.workers.launch import Timed

PATIENCE_SECONDS = 120
WHY = "importing unsloth initialised CUDA"
SAID = "Cells are spawned, not forked: importing unsloth"

linux = pytest.mark.skipif(sys.platform != "linux", reason="Only there can cells be forked.")


class Stand(Launcher):
    """A launcher that can launch or not, whose workers run until they are ended if they `hang`."""

    id, summary = "stand", ""

    def __init__(self, able=True, hang=False):
        self.able, self.hang, self.told = able, hang, []
        self.ended = threading.Event()

    def run(self, job, log, on_event):
        self.told.append("run")
        on_event(Started() if self.able else Ready())
        if not self.able:
            raise CannotLaunch("No cell can be forked: use --launcher spawn.", WHY)
        assert not self.hang or self.ended.wait(PATIENCE_SECONDS)
        return 7

    def interrupt(self):
        self.told.append("interrupt")

    def kill(self):
        self.told.append("kill")
        self.ended.set()

    def close(self):
        self.told.append("close")
        self.ended.set()


@pytest.fixture
def auto(monkeypatch):
    """Makes an `Auto` that has two stand-ins to choose from."""

    def make(system="Linux", **stands):
        monkeypatch.setattr("platform.system", lambda: system)
        return Auto(stands.__getitem__)

    return make


@pytest.fixture
def run(tmp_path):
    """Runs a launcher; returns the exit status, and what was said for a person to read."""

    def run(launcher):
        heard = []
        status = launcher.run(tmp_path / "cell.json", tmp_path / "log", heard.append)
        return status, [e.reason for e in heard if isinstance(e, Notice)]

    return run


def test_where_cells_can_be_forked_nothing_is_spawned_and_nothing_said(auto, run):
    fork, spawn = Stand(), Stand()
    launcher = auto(fork=fork, spawn=spawn)
    assert run(launcher) == run(launcher) == (7, [])
    assert fork.told == ["run", "run"]
    assert spawn.told == []


def test_elsewhere_than_on_linux_cells_are_spawned_from_the_start(auto, run):
    spawn = Stand()
    assert run(auto("Darwin", spawn=spawn)) == (7, [])
    assert spawn.told == ["run"]


def test_where_none_can_be_forked_all_are_spawned_and_that_is_said_once(auto, run):
    fork, spawn = Stand(able=False), Stand()
    launcher = auto(fork=fork, spawn=spawn)
    assert run(launcher) == (7, [f"Cells are spawned, not forked: {WHY}."])
    assert run(launcher) == (7, [])
    assert fork.told == ["run", "close"]
    assert spawn.told == ["run", "run"]


@pytest.mark.parametrize("how", ["interrupt", "kill", "close"])
def test_whatever_ends_a_cell_reaches_the_launcher_that_runs_it(auto, run, how):
    fork, spawn = Stand(able=False), Stand()
    launcher = auto(fork=fork, spawn=spawn)
    getattr(launcher, how)()
    assert fork.told == [how]
    run(launcher)
    getattr(launcher, how)()
    assert fork.told == [how, "run", "close"]
    assert spawn.told == ["run", how]


def test_an_interruption_before_the_change_is_heard_when_the_spawned_worker_starts(auto, run):
    spawn = Stand()
    launcher = Timed(auto(fork=Stand(able=False), spawn=spawn))
    launcher.interrupt()
    run(launcher)
    assert spawn.told == ["run", "interrupt"]


def test_a_spawned_cell_has_its_limit_as_a_forked_one_has(auto, run, monkeypatch, tmp_path):
    monkeypatch.setattr(launch, "MARGIN_SECONDS", 0.0)
    monkeypatch.setattr(launch, "GRACE_SECONDS", 0.01)
    spawn = Stand(hang=True)
    launcher = Timed(auto(fork=Stand(able=False), spawn=spawn), 0.01)
    run(launcher)
    assert spawn.told == ["run", "interrupt", "kill"]
    ended = ok("lora", status="killed", phase="train", reason="SIGKILL")
    assert launcher.judged(ended, tmp_path / "log").status == "timeout"


@pytest.fixture
def compare(tmp_path):
    """Starts a comparison where importing transformers initialises CUDA."""
    path = site(tmp_path / "site")
    (tmp_path / "shape").mkdir()
    (tmp_path / "shape" / "config.json").write_text(json.dumps(SHAPE))
    started = []

    def start(*options):
        command = [
            *(sys.executable, "-m", "llmbench", "compare", "--model", "shape", "--device", "cpu"),
            *("--weights", "random", "--strategies", "full", "--seq-len", "32"),
            *("--batch-size", "1", "--max-new-tokens", "4", "--output", "out", *options),
        ]
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process, Store(tmp_path / "out")

    yield start
    for process in started:
        process.kill()
        process.communicate()


@linux
def test_a_comparison_runs_where_importing_transformers_initialises_cuda(compare):
    process, store = compare("--steps", "6")
    said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, said
    assert said.count(SAID) == 1
    found = store.read()
    assert {r.status for r in found.records} == {"ok"}
    assert [n.startswith(SAID) for n in found.header.notices].count(True) == 1
    assert SAID in (store.root / "report.html").read_text()


@linux
def test_there_a_fork_that_was_asked_for_fails_every_cell_with_the_way_out(compare):
    process, store = compare("--steps", "6", "--launcher", "fork")
    said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1, said
    found = store.read().records
    assert [r.status for r in found] == ["failed", "failed"]
    for record in found:
        assert record.reason.startswith("No cell can be forked, since importing unsloth")
        assert record.reason.endswith(" initialised CUDA: use --launcher spawn.")


@linux
def test_there_ctrl_c_ends_the_cell_that_runs_with_its_record(compare):
    process, store = compare("--steps", "60000")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not any(
        '"phase":"train"' in p.read_text() for p in store.work.glob("full.*/record.json")
    ):
        assert time.monotonic() < deadline, "training did not begin"
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130, said
    found = {r.cell.composition: (r.status, r.phase) for r in store.read().records}
    assert found == {"base": ("ok", None), "full": ("interrupted", "train")}
