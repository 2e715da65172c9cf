"""Cells are forked, and spawned where what they import has initialised CUDA."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from initialising import site
from records import shape

from llmbench.storage.store import Store

PATIENCE_SECONDS = 120
SAID = "Cells are started by spawn, as fork cannot: importing "

linux = pytest.mark.skipif(sys.platform != "linux", reason="Only there can cells be forked.")


@pytest.fixture
def compare(tmp_path):
    """Starts a comparison where importing transformers initialises CUDA."""
    path = site(tmp_path / "site")
    shape(tmp_path)
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
    assert {r.status for r in store.read().records} == {"ok"}


@linux
def test_a_fork_that_was_asked_for_fails_every_cell_with_the_way_out(compare):
    process, store = compare("--steps", "6", "--launcher", "fork")
    said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1, said
    found = store.read().records
    assert [r.status for r in found] == ["failed", "failed"]
    for record in found:
        assert record.reason.startswith("No cell can be forked, since importing ")
        assert "unsloth" in record.reason
        assert record.reason.endswith(" initialised CUDA: use --launcher spawn.")


@linux
def test_cells_are_spawned_which_is_said_once_and_ctrl_c_reaches_them(compare):
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
    assert said.count(SAID) == 1
    found = store.read()
    assert [n.startswith(SAID) for n in found.header.notices].count(True) == 1
    assert SAID in (store.root / "report.html").read_text()
    ends = {r.cell.composition: (r.status, r.phase) for r in found.records}
    assert ends == {"base": ("ok", None), "full": ("interrupted", "train")}
