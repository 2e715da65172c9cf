"""A figure is the cell's, whichever launcher started its worker."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from records import shape

from llmbench.plugin.catalogue import CHOICE
from llmbench.storage.store import Store

MIB = 2**20
WITHOUT_REPORT = {CHOICE: "launchers,metrics,models,strategies,tasks"}
TOLERANCE = 4 * MIB
"""Heaps differ by less than 1 MiB; what cells import, by more than 100 MiB."""


def host_memory(folder: Path, launcher: str) -> dict[str, int]:
    """The growth of the host's memory while loading and training, by cell and phase."""
    command = [
        *(sys.executable, "-m", "llmbench", "compare", "--device", "cpu", "--quiet"),
        *("--model", "shape", "--weights", "random", "--strategies", "qlora"),
        *("--seq-len", "32", "--batch-size", "1", "--steps", "6", "--max-new-tokens", "4"),
        *("--launcher", launcher, "--output", launcher),
    ]
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | WITHOUT_REPORT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {
        f"{record.cell.composition} {phase}": found.memory.host_growth_bytes or 0
        for record in Store(folder / launcher).read().records
        for phase, found in record.phases.items()
    }


@pytest.mark.skipif(sys.platform != "linux", reason="Only there can cells be forked.")
def test_host_memory_is_the_same_under_both_launchers(tmp_path: Path) -> None:
    shape(tmp_path)
    forked, spawned = (host_memory(tmp_path, launcher) for launcher in ("fork", "spawn"))
    assert spawned == pytest.approx(forked, abs=TOLERANCE)
