from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from llmbench import machine


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """A control group whose files the test writes, and no other limit."""
    monkeypatch.setattr(machine, "_groups", lambda: iter([tmp_path]))
    return tmp_path


def write(folder: Path, **numbers: object) -> None:
    for name, number in numbers.items():
        (folder / f"memory.{name}").write_text(f"{number}\n")


def test_without_a_limit_the_machines_memory_counts(groups):
    found = machine.room()
    assert found.total_bytes == psutil.virtual_memory().total
    assert 0 < found.free_bytes <= found.total_bytes


@pytest.mark.parametrize("names", machine.LIMIT_AND_USE)
def test_a_control_groups_limit_counts(groups, names):
    write(groups, **dict(zip(names, (1000, 400), strict=True)))
    assert machine.room() == (600, 1000)


@pytest.mark.parametrize(("most", "used"), [("max", 400), (2**63 - 4096, 400), ("", ""), (9, "?")])
def test_a_control_group_without_a_limit_does_not(groups, most, used):
    write(groups, max=most, current=used)
    assert machine.room().total_bytes == psutil.virtual_memory().total


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit there")
def test_a_limit_on_the_address_space_counts():
    code = (
        "import resource; from llmbench import machine\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31)); print(*machine.room())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    free, total = map(int, done.stdout.split())
    assert 0 < free < total == 2**31


@pytest.mark.skipif(sys.platform != "linux", reason="Linux counts them")
def test_what_the_system_ended_is_counted():
    assert machine.kills() >= 0
    assert "oom_kill " in Path("/proc/vmstat").read_text()
