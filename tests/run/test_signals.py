"""Real workers that are interrupted or killed; `tests/fault` has every other end."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from records import shape

from llmbench.record.record import Record
from llmbench.storage.store import Store

PATIENCE_SECONDS = 120

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the fork launcher is Linux's")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A comparison that trains `lora`, then `full`, each for longer than any test waits."""
    shape(tmp_path)
    command = [
        *(sys.executable, "-m", "llmbench", "compare", "--model", "shape", "--weights", "random"),
        *("--strategies", "lora,full", "--seq-len", "32", "--batch-size", "1"),
        *("--steps", "60000", "--max-new-tokens", "8", "--output", "out"),
    ]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    yield process
    process.kill()
    process.wait()


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.05)


def in_training(root: Path, composition: str) -> bool:
    """Whether such a cell trains now, as its worker's record has it."""
    found = list((root / ".work").glob(f"{composition}.*/record.json"))
    return bool(found) and Record.model_validate_json(found[0].read_text()).phase == "train"


def worker(process: subprocess.Popen[str]) -> psutil.Process:
    """The process of the running cell: the child of the one that cells are forked from."""
    zygote = psutil.Process(process.pid).children()[0]
    return zygote.children()[0]


def test_a_killed_worker_is_a_record_and_ctrl_c_records_the_next_one(
    running: subprocess.Popen[str], tmp_path: Path
) -> None:
    root = tmp_path / "out"
    until(lambda: in_training(root, "lora"), "training")
    worker(running).kill()
    until(lambda: in_training(root, "full"), "training of the next cell")
    running.send_signal(signal.SIGINT)
    assert running.wait(PATIENCE_SECONDS) == 130
    base, killed, interrupted = Store(root).read().records
    assert (base.cell.composition, base.status) == ("base", "ok")
    assert (killed.cell.composition, killed.status, killed.phase) == ("lora", "killed", "train")
    assert "SIGKILL" in (killed.reason or "")
    assert "load" in killed.phases
    ended = interrupted.cell.composition, interrupted.status, interrupted.phase
    assert ended == ("full", "interrupted", "train")
    assert "prepare" in interrupted.phases
    assert (root / "report.html").exists()
    assert not (root / ".work").exists()
