"""A strategy that somebody else ships: installed as a distribution, compared end to end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from distribution import QUICK, llmbench

from llmbench.storage.store import Store

EXAMPLE = Path(__file__).parents[2] / "plugins" / "examples" / "llmbench-hra"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example's distribution in it, as pip installs it."""
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(target), str(EXAMPLE)], check=True)
    return target


def test_it_is_listed_with_its_package(site: Path, tmp_path: Path) -> None:
    done = llmbench(site, "list", "strategies", cwd=tmp_path)
    row = next(line for line in done.stdout.splitlines() if line.startswith("hra"))
    assert "llmbench-hra 0.1.0" in row


def test_it_composes_and_is_compared_with_the_built_in_ones(site: Path, tmp_path: Path) -> None:
    command = ("compare", *QUICK, "--strategies", "lora,hra,hra+gradient-checkpointing")
    done = llmbench(site, *command, "--output", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    records = {r.cell.composition: r for r in Store(tmp_path / "out").read().records}
    assert list(records) == ["base", "lora", "hra", "hra+gradient-checkpointing"]
    hra, lora = records["hra"], records["lora"]
    assert hra.status == "ok"
    assert hra.parameters
    assert lora.parameters
    assert 0 < hra.parameters.trainable < lora.parameters.trainable / 2
    assert hra.cell.members[0].distribution == "llmbench-hra 0.1.0"
    assert hra.cell.declared == {"learning_rate": pytest.approx(30 * 0.001)}


def test_without_it_the_name_is_unknown(tmp_path: Path) -> None:
    done = llmbench(tmp_path, "compare", "--strategies", "hra", "--dry-run")
    assert done.returncode == 2
    assert "Unknown strategy 'hra'" in done.stderr
