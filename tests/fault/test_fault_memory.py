"""Host memory that runs out: under a limit of the process, and by the system's own killer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from harness import kinds

PHASES = ("load", "train", "evaluate")
MIB = 2**20
BLOCK_BYTES = 64 * MIB
LIMIT_BYTES = 3 * 2**30


def start_bytes(record):
    """Private memory of the process as the cell begins."""
    return record.phases["load"].probes["start"]["host_bytes"]


def test_memory_that_runs_out_is_told_and_the_next_cell_starts_afresh(comparison, aftermath, often):
    phases = often(PHASES, ("train",))
    names = {f"faulty(phase={p},trouble=fill)".replace("phase=train,", ""): p for p in phases}
    made = comparison("--strategies", ",".join([*names, "full"]), "--seeds", str(often(3, 1)))
    ended = made.run()
    records = made.records().values()
    assert kinds(records) == {"base": "ok", **dict.fromkeys(names, "oom"), "full": "ok"}
    for record in records:
        if record.status == "oom":
            shortage = record.shortage
            assert record.phase == names[record.cell.composition]
            assert record.phase in record.phases
            assert (shortage.where, shortage.asked_bytes) == ("host", BLOCK_BYTES)
            assert 0 <= shortage.free_bytes < BLOCK_BYTES < shortage.total_bytes
            assert record.reason.startswith("The host's memory ran out when 64.0 MiB were asked")
    starts = [start_bytes(r) for r in records]
    found = aftermath("host memory runs out under a limit")
    found.look(made, ended, times=len(starts) // (len(names) + 2) * len(names))
    spread = max(starts) - min(starts)
    assert spread < MIB
    found.notes.append(
        f"Host memory that {len(starts)} cells started with, some after one that had run out: "
        f"{min(starts) / MIB:.2f} to {max(starts) / MIB:.2f} MiB."
    )
    found.run_again(made)


@pytest.fixture
def group(request):
    """A control group with a limit on memory, where one may be made."""
    own = next((g for g in _own_groups() if os.access(g, os.W_OK)), None)
    if own is None:
        pytest.skip("no control group for memory can be made here")
    folder = own / f"llmbench-faults-{os.getpid()}"
    try:
        folder.mkdir()
        limit = folder / ("memory.max" if (folder / "memory.max").exists() else V1)
        limit.write_text(str(LIMIT_BYTES))
    except OSError as error:
        pytest.skip(f"no control group for memory can be limited here ({error.strerror})")
    yield folder
    folder.rmdir()


V1 = "memory.limit_in_bytes"


def _own_groups():
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, kinds_of, path = line.split(":", 2)
        if "memory" in kinds_of.split(","):
            yield Path(f"/sys/fs/cgroup/memory{path}")
            yield Path("/sys/fs/cgroup/memory")
        elif not kinds_of:
            yield Path(f"/sys/fs/cgroup{path}")


def test_a_worker_that_the_system_ends_for_lack_of_memory_is_told_from_one_that_is_killed(
    comparison, aftermath, often, group
):
    if not often(1, 0):
        pytest.skip("--long has it")
    made = comparison("--strategies", "faulty(trouble=devour),full")
    join = ("sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh")
    ended = made.run(before=join)
    records = made.records().values()
    assert kinds(records) == {"base": "ok", "faulty(trouble=devour)": "oom", "full": "ok"}
    oom = next(r for r in records if r.status == "oom")
    assert (oom.phase, oom.shortage.where) == ("train", "host")
    found = aftermath("host memory runs out, and the system ends the worker")
    found.look(made, ended)
    found.run_again(made)
