"""Cells that take two processes each, in a comparison that is interrupted and gone on with."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from llmbench.record.record import Record

PATIENCE_SECONDS = 120
SPREAD = ("full+ddp", "full+fsdp")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the fork launcher is Linux's")


class Run(NamedTuple):
    """The records when it was interrupted, and when it had been gone on with."""

    before: list[Record]
    after: list[Record]


def reported(records: list[Record]) -> dict[str, Record]:
    """Those that are no tries, by composition."""
    return {r.cell.composition: r for r in records if not r.cell.tuning}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Interrupted once the first of the two cells has its record."""
    root = tmp_path_factory.mktemp("spread") / "out"
    command = [
        *(sys.executable, "-m", "llmbench", "compare", "--device", "cpu", "--gpus", "2"),
        *("--strategies", ",".join(SPREAD), "--tune", "--tries", "3", "--output", str(root)),
        *("--steps", "3", "--burn-in-steps", "1", "--batch-size", "2", "--seq-len", "64"),
        *("--validation-examples", "4", "--eval-examples", "2", "--max-new-tokens", "4"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while SPREAD[0] not in reported(records_of(root)):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130
    before = records_of(root)
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    return Run(before, records_of(root))


def records_of(root: Path) -> list[Record]:
    """What has been written so far."""
    files = sorted((root / "records").glob("*.json")) if root.exists() else []
    return [Record.model_validate_json(f.read_text()) for f in files]


def test_tries_of_what_is_only_there_spread_take_as_many_processes(run):
    tries = [r for r in run.after if r.cell.tuning]
    assert len(tries) >= 3
    assert {r.cell.composition for r in tries} <= set(SPREAD)
    assert {(r.status, r.cell.settings.gpus, len(r.ranks)) for r in tries} == {("ok", 2, 2)}


def test_both_train_at_the_rate_that_was_found_for_what_they_compute(run):
    cells = [reported(run.after)[name] for name in SPREAD]
    tried = [r.cell.settings.learning_rate for r in run.after if r.cell.tuning]
    assert {(r.status, r.cell.rate) for r in cells} == {("ok", "tuned")}
    rate, other = (r.cell.settings.learning_rate for r in cells)
    assert rate == other
    assert min(tried) <= rate <= max(tried)


def test_what_had_ended_is_kept_and_what_had_not_is_run(run):
    before, after = reported(run.before), reported(run.after)
    assert after[SPREAD[0]] == before[SPREAD[0]]
    # The second one may have ended, too, before the word to stop reached it.
    assert SPREAD[1] not in before or before[SPREAD[1]].status in ("interrupted", "ok")
    assert (after[SPREAD[1]].status, len(after[SPREAD[1]].ranks)) == ("ok", 2)
    tries = [[r for r in records if r.cell.tuning] for records in run]
    assert tries[0] == tries[1]
