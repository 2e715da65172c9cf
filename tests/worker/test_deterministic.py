"""`--deterministic`: the same cell twice, in processes of their own, gives the same bits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from distribution import QUICK

from llmbench.record.record import Record
from llmbench.storage.store import Store
from llmbench.worker.running import be_deterministic

COMPOSITION = "lora(dropout=0.1)"


def run(root: Path) -> dict[str, Record]:
    """Records by composition."""
    command = [sys.executable, "-m", "llmbench", "compare", "--deterministic", *QUICK]
    done = subprocess.run(
        [*command, "--strategies", COMPOSITION, "--output", str(root)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {r.cell.composition: r for r in Store(root).read().records}


def test_two_runs_give_equal_bits(tmp_path: Path) -> None:
    one, other = run(tmp_path / "one"), run(tmp_path / "other")
    assert list(one) == ["base", COMPOSITION]
    for name, record in one.items():
        again = other[name]
        assert [s.loss for s in record.steps] == [s.loss for s in again.steps]
        assert [e.prediction for e in record.examples] == [e.prediction for e in again.examples]
        assert (record.first_loss, record.eval_loss) == (again.first_loss, again.eval_loss)
    assert one[COMPOSITION].effective["deterministic"] == "on"


@pytest.fixture
def flags(monkeypatch: pytest.MonkeyPatch):
    """Leaves torch as it was."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "as before")
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("flags")
def test_torch_and_cublas_are_told() -> None:
    be_deterministic()
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.is_deterministic_algorithms_warn_only_enabled()
    assert not torch.backends.cudnn.benchmark
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
