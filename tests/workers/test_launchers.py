from __future__ import annotations

import io
import signal
import subprocess
import sys

import pytest

from llmbench.plugin.launcher import CannotLaunch
from llmbench.record.events import Generated, Ready, Started
from llmbench.workers import spawn
from llmbench.workers.fork import Fork
from llmbench.workers.spawn import Spawn, said_by, worker_environment

WORKER = """
import os, pathlib, signal, sys
job, log = sys.argv[1:3]
pathlib.Path(log).write_text("the log\\n")
print('{"event": "start"}', flush=True)
print("a library's chatter", flush=True)
exec(pathlib.Path(job).read_text())
"""
WAIT = """
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    print('{"event": "phase", "phase": "train"}', flush=True)
    while True:
        pass
except KeyboardInterrupt:
    sys.exit(3)
"""


@pytest.fixture
def spawned(tmp_path, monkeypatch):
    """A `Spawn` whose worker executes the job's text; runs it and returns status and events."""
    module = tmp_path / "stand_in_worker.py"
    module.write_text(WORKER)
    launcher = Spawn()
    popen = subprocess.Popen

    def stand_in(command, **options):
        return popen([sys.executable, str(module), *command[3:]], **options)

    monkeypatch.setattr(subprocess, "Popen", stand_in)

    def run(code: str, on_event=lambda launcher, event: None):
        job, heard = tmp_path / "cell.json", []
        job.write_text(code)

        def hear(event):
            heard.append(event.event)
            on_event(launcher, event)

        return launcher.run(job, tmp_path / "log", hear), heard

    yield run
    launcher.close()


class Told:
    """A process that has said what it says."""

    def __init__(self, text: bytes):
        self.stdout = io.BytesIO(text)


def test_events_are_the_lines_that_are_events():
    lines = (
        b'{"event": "start"}\nloading...\n{"loss": 1}\n[1]\n\xff\n{"event": "step"}\n'
        b'{"event": "generate", "done": 1, "total": 2}\n{"event": "none of ours"}\n{"event": "c'
    )
    assert list(said_by(Told(lines))) == [Started(), Generated(done=1, total=2)]


def test_a_worker_inherits_the_environment(monkeypatch):
    monkeypatch.setenv("MY_VARIABLE", "kept")
    assert worker_environment()["MY_VARIABLE"] == "kept"


@pytest.mark.parametrize(
    ("own", "found"), [(None, "PCI_BUS_ID"), ("FASTEST_FIRST", "FASTEST_FIRST")]
)
def test_a_worker_counts_gpus_as_nvml_does_unless_told_otherwise(monkeypatch, own, found):
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    if own:
        monkeypatch.setenv("CUDA_DEVICE_ORDER", own)
    assert worker_environment()["CUDA_DEVICE_ORDER"] == found


def test_spawn_passes_events_on_and_returns_the_exit_status(spawned):
    assert spawned("sys.exit(5)") == (5, ["start"])


def test_spawn_says_which_signal_ended_a_worker(spawned):
    assert spawned("os.kill(os.getpid(), signal.SIGKILL)")[0] == -signal.SIGKILL


def test_spawn_interrupts_a_worker_that_runs(spawned):
    def interrupt(launcher, event):
        if event.event == "phase":
            launcher.interrupt()

    assert spawned(WAIT, interrupt) == (3, ["start", "phase"])


def test_spawn_ends_a_worker_that_still_runs(spawned):
    def close(launcher, event):
        if event.event == "phase":
            launcher.close()

    assert spawned(WAIT, close)[0] == -signal.SIGKILL


@pytest.mark.parametrize("method", ["interrupt", "close"])
def test_a_spawn_that_runs_nothing_has_nothing_to_end(method):
    getattr(spawn.Spawn(), method)()


@pytest.mark.skipif(sys.platform != "linux", reason="forking is for Linux")
def test_a_fork_whose_process_is_gone_says_why_in_the_log(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "torch.py").write_text("import sys; sys.exit('no torch today')")
    launcher = Fork()
    log = tmp_path / "log"
    assert launcher.run(tmp_path / "cell.json", log, lambda event: None) == 1
    assert "no torch today" in log.read_text()
    launcher.close()


@pytest.mark.skipif(sys.platform != "linux", reason="forking is for Linux")
def test_a_fork_whose_process_was_killed_starts_another_for_the_next_cell(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "torch.py").write_text("import time; time.sleep(600)")
    launcher = Fork()
    launcher.kill()
    launcher._zygote.wait()
    (tmp_path / "torch.py").write_text("import sys; sys.exit('no torch today')")
    log = tmp_path / "log"
    assert launcher.run(tmp_path / "cell.json", log, lambda event: None) == 1
    assert "no torch today" in log.read_text()
    launcher.close()


@pytest.mark.skipif(sys.platform != "linux", reason="forking is for Linux")
def test_a_fork_whose_process_has_initialised_cuda_says_so_and_what_to_do(tmp_path, monkeypatch):
    """Of every cell, without importing all over again."""
    ready = Ready(cuda=True, initialised_by="torchao")
    code = f"print('{ready.model_dump_json()}')"
    popen, started = subprocess.Popen, []

    def stand_in(command, **options):
        started.append(popen([sys.executable, "-c", code], **options))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", stand_in)
    launcher, heard = Fork(), []
    for _ in range(2):
        with pytest.raises(CannotLaunch) as caught:
            launcher.run(tmp_path / "cell.json", tmp_path / "log", heard.append)
        assert str(caught.value) == (
            "No cell can be forked, since importing torchao initialised CUDA: use --launcher spawn."
        )
    assert heard == [ready]
    launcher.close()
    assert len(started) == 1
