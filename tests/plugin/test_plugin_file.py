"""A module as a plugin for one run: `--plugin FILE.py`, on the command line and nowhere else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from distribution import QUICK, good, llmbench

from llmbench.storage.store import Store
from llmbench.testing import new

SAMPLE = Path(__file__).parents[1] / "samples" / "v2"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A module that offers a strategy, in a folder that nothing is imported from."""
    folder = tmp_path / "code"
    folder.mkdir()
    file = folder / "mine.py"
    file.write_text(good("mine"))
    return file


def test_its_strategy_is_a_row_whose_record_says_that_no_distribution_ships_it(
    tmp_path: Path, mine: Path
) -> None:
    given = ("--plugin", str(mine.relative_to(tmp_path)), "--strategies", "mine", "--output", "out")
    done = llmbench(tmp_path, "compare", *given, *QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    records = {r.cell.composition: r for r in Store(tmp_path / "out").read().records}
    member = records["mine"].cell.members[0]
    assert (records["mine"].status, member.distribution) == ("ok", "mine.py (no distribution)")
    assert member.code
    assert "mine.py (no distribution)" in (tmp_path / "out" / "report.html").read_text()


def test_it_is_listed_beside_what_is_installed(tmp_path: Path, mine: Path) -> None:
    done = llmbench(tmp_path, "list", "strategies", "--json", "--plugin", str(mine))
    packages = {s["id"]: s["package"] for s in json.loads(done.stdout)}
    assert packages["mine"] == "mine.py (no distribution)"
    assert "lora" in packages


def test_a_report_is_rendered_again_in_its_format(tmp_path: Path) -> None:
    new.create("mine", "exporter", tmp_path)
    module = tmp_path / "llmbench-mine" / "llmbench_mine" / "__init__.py"
    given = ("--plugin", str(module), "--format", "mine")
    done = llmbench(tmp_path, "report", str(SAMPLE), *given)
    assert done.returncode == 0, done.stderr
    statuses = {record.cell.id: record.status for record in Store(SAMPLE).read().records}
    assert dict(line.split(": ") for line in done.stdout.splitlines()) == statuses


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import nothing", "ModuleNotFoundError: No module named 'nothing'"),
        (good("lora"), "it registers the strategy 'lora', which is llmbench's"),
    ],
)
def test_one_that_cannot_be_used_ends_the_command(tmp_path: Path, code: str, said: str) -> None:
    (tmp_path / "mine.py").write_text(code)
    done = llmbench(tmp_path, "list", "strategies", "--plugin", "mine.py")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"The plugin 'mine.py' cannot be used ({said}): repair it" in done.stderr


def test_it_stands_in_no_file_and_in_no_variable(tmp_path: Path, mine: Path) -> None:
    done = llmbench(tmp_path, "compare", "--dry-run", LLMBENCH_PLUGIN=str(mine))
    assert done.returncode == 2
    assert "'LLMBENCH_PLUGIN' cannot be set as a variable" in done.stderr
    (tmp_path / "llmbench.toml").write_text(f'plugin = "{mine}"\n')
    done = llmbench(tmp_path, "compare", "--dry-run")
    assert done.returncode == 2
    assert "'plugin' cannot stand in a file (llmbench.toml)" in done.stderr
    assert "give --plugin on the command line" in done.stderr
