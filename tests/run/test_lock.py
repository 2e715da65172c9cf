"""Two llmbenches that want the same: one has it, the other says who does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
from records import environment

from llmbench.config.config import Config
from llmbench.errors import BusyError
from llmbench.machine import GpuFacts
from llmbench.record.events import Waiting
from llmbench.run import lock

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no locks there")

HOLDER = """
import sys
from pathlib import Path
from llmbench.run import lock
with lock.directory(Path(sys.argv[1]), False, print):
    print("held", flush=True)
    sys.stdin.read()
"""
GPUS = {n: GpuFacts("NVIDIA H200", 2**37, 2**37, "580", f"GPU-{n}") for n in "ab"}


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the directory."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def on(monkeypatch, tmp_path):
    """What a run on a device is set up with; GPU locks are in a folder of the test's own."""
    monkeypatch.setattr(lock, "SHARED", tmp_path)

    def setup(device="cuda", gpu="a", shared=False):
        monkeypatch.setattr(lock, "gpu_facts", lambda: (GPUS[gpu],))
        config = Config(shared_gpu=shared)
        return SimpleNamespace(environment=environment(device), config=config)

    return setup


def take(root, wait=False, on_event=lambda event: None):
    with lock.directory(root, wait, on_event):
        pass


def test_the_second_says_who_holds_the_directory_and_since_when(holder, tmp_path):
    with pytest.raises(BusyError) as caught:
        take(tmp_path)
    said = str(caught.value)
    assert said.startswith(f"'{tmp_path}' is in use by another llmbench (process {holder.pid}, ")
    assert "since 2" in said
    assert "--wait" in said
    with pytest.raises(BusyError, match=f"process {holder.pid}"):
        take(tmp_path)  # having been refused takes nothing away


def test_a_dead_holder_is_no_obstacle(holder, tmp_path):
    holder.kill()
    holder.wait()
    assert (tmp_path / ".lock").read_text()  # it had no time to take its name away
    take(tmp_path)


def test_a_lock_can_be_had_again_and_says_nothing_that_is_over(tmp_path):
    take(tmp_path)
    assert (tmp_path / ".lock").read_text() == ""
    take(tmp_path)


def test_one_can_wait_and_is_told_so(holder, tmp_path):
    heard = []

    def hear(event):
        heard.append(event)
        holder.kill()

    take(tmp_path, True, hear)
    assert isinstance(heard[0], Waiting)
    assert f"process {holder.pid}" in heard[0].reason


def test_ctrl_c_ends_the_waiting(holder, tmp_path):
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        take(tmp_path, True, lambda event: timer.start())
    assert holder.poll() is None


def test_a_holder_without_a_name_is_another_llmbench(holder, tmp_path):
    for content in ("", "[]", '{"pid": "me"}'):
        (tmp_path / ".lock").write_text(content)
        with pytest.raises(BusyError, match=r"in use by another llmbench: wait"):
            take(tmp_path)


def test_a_lock_that_cannot_be_made_is_none(tmp_path):
    take(tmp_path / "nowhere")


def test_a_link_in_its_place_is_not_followed(tmp_path):
    (tmp_path / "target").write_text("precious")
    (tmp_path / ".lock").symlink_to(tmp_path / "target")
    take(tmp_path)
    assert (tmp_path / "target").read_text() == "precious"


def test_a_gpu_has_one_llmbench_at_a_time(on):
    with lock.device(on(), print), pytest.raises(BusyError) as caught, lock.device(on(), print):
        pass
    assert f"The GPU 'NVIDIA H200' is in use by another llmbench (process {os.getpid()}" in str(
        caught.value
    )
    assert "CUDA_VISIBLE_DEVICES" in str(caught.value)


def test_another_gpu_no_gpu_and_a_shared_one_are_free(on):
    with lock.device(on(), print):
        with lock.device(on(shared=True), print):
            pass
        with lock.device(on(gpu="b"), print):
            pass
        with lock.device(on("cpu"), print):
            pass


def test_every_user_may_open_a_gpus_lock(on, tmp_path):
    with lock.device(on(), print):
        assert (tmp_path / "llmbench-GPU-a.lock").stat().st_mode & 0o777 == 0o666
