"""A strategy that somebody else ships: installed as a distribution, compared end to end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from llmbench.storage.store import Store

EXAMPLE = Path(__file__).parents[2] / "plugins" / "examples" / "llmbench-hra"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example's distribution in it, as pip installs it."""
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(target), str(EXAMPLE)], check=True)
    return target


def llmbench(site: Path, cwd: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run the command line with the distribution installed."""
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-m", "llmbench", *args]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300
    )


def test_it_is_listed_with_its_package(site: Path, tmp_path: Path) -> None:
    done = llmbench(site, tmp_path, "list", "strategies")
    row = next(line for line in done.stdout.splitlines() if line.startswith("hra"))
    assert "llmbench-hra 0.1.0" in row


def test_it_composes_and_is_compared_with_the_built_in_ones(site: Path, tmp_path: Path) -> None:
    done = llmbench(
        site,
        tmp_path,
        *(
            "compare",
            "--strategies",
            "lora,hra,hra+gradient-checkpointing",
            "--steps",
            "6",
            "--no-tune",
        ),
        *("--eval-examples", "4", "--max-new-tokens", "8", "--output", "out"),
    )
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
    done = llmbench(tmp_path, tmp_path, "compare", "--strategies", "hra", "--dry-run")
    assert done.returncode == 2
    assert "Unknown strategy 'hra'" in done.stderr
