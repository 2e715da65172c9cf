"""SIGKILL: of a worker in each of its phases, and of the parent at any moment."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections import Counter

import psutil
import pytest
from harness import Comparison, begins, follow, kinds

from llmbench.record.record import PHASES

QUICK = ("--launcher", "quick", "--strategies", "full")


WHEN = {
    0: "before its first record",
    **dict.fromkeys(range(1, 6), "between two records"),
    6: "after its last record",
}
"""Where a kill hit, by the records that there were; three seeds of two cells are six."""


def worker(parent: int) -> psutil.Process:
    """The process of the running cell, under the one that it was forked from, if it was."""
    child = psutil.Process(parent).children()[0]
    return next(iter(child.children()), child)


def test_a_worker_that_is_killed_costs_its_cell_alone(comparison, aftermath):
    """Of one comparison: a worker in each phase. They are quick ones, which do nothing."""
    made = comparison(*QUICK, "--seeds", "5")
    waiting = list(PHASES)

    def kill(event, parent):
        if waiting and begins(event, "full", waiting[0]):
            waiting.pop(0)
            worker(parent).kill()

    ended = made.run(on_event=kill, QUICK_SECONDS="0.2")
    found = aftermath("SIGKILL of a quick worker")
    found.look(made, ended, times=5)
    killed = [r.phase for r in made.records().values() if r.status == "killed"]
    assert sorted(killed) == sorted(PHASES)
    found.run_again(made)
    assert Counter(r.attempt for r in made.records().values()) == {1: 5, 2: 5}


@pytest.mark.parametrize("phase", PHASES)
def test_a_real_worker_that_is_killed_in_a_phase(phase, comparison, aftermath, often):
    """All seeds of a comparison in the same phase, in which they sleep. Forked, with torch."""
    seeds = often(25, 0)
    if not seeds:
        pytest.skip("--long has it; a test of signals has one of them")
    made = comparison("--strategies", f"faulty(phase={phase})", "--seeds", str(seeds))
    moments = random.Random(phase)

    def kill(event, parent):
        if begins(event, "faulty", phase):
            time.sleep(moments.uniform(0, 0.2))
            worker(parent).kill()

    ended = made.run(on_event=kill)
    found = aftermath(f"SIGKILL of a worker in {phase}")
    found.look(made, ended, times=seeds)
    records = made.records().values()
    ends = Counter((r.status, r.phase) for r in records)
    assert ends == {("ok", None): seeds, ("killed", phase): seeds}
    before = list(PHASES[: PHASES.index(phase)])
    assert all(list(r.phases) == before for r in records if r.status == "killed")
    found.run_again(made, "--launcher", "fork")


def test_the_process_that_cells_are_forked_from_is_killed(comparison, aftermath, often):
    if not often(1, 0):
        pytest.skip("--long has it")
    made = comparison("--strategies", "faulty,full", "--launcher", "fork")

    def kill(event, parent):
        if begins(event, "faulty", "train"):
            psutil.Process(parent).children()[0].kill()

    ended = made.run(on_event=kill)
    assert kinds(made.records().values()) == {"base": "ok", "faulty": "killed", "full": "ok"}
    found = aftermath("SIGKILL of the process that cells are forked from")
    found.look(made, ended)
    found.run_again(made)


def test_a_parent_that_is_killed_at_random_moments(comparison, aftermath, often, tmp_path):
    found = aftermath("SIGKILL of the parent at a random moment")
    whole, report = comparison(*QUICK, "--seeds", "3"), often(True, False)
    began = time.monotonic()
    assert whole.run(report=report, QUICK_SECONDS="0.05").status == 0
    lasts = time.monotonic() - began
    moments, hits = random.Random(0), Counter()
    while found.times < often(100, 2):
        made = Comparison(tmp_path / f"killed-{found.times}", *QUICK, "--seeds", "3")
        process = made.start(report=report, QUICK_SECONDS="0.05")
        time.sleep(moments.uniform(0, lasts))
        process.kill()
        ended = follow(process)
        if ended.status != -signal.SIGKILL:  # it was over before: none of the hundred
            shutil.rmtree(made.folder)
            continue
        hits[WHEN[len(ended.cells(kept=False))]] += 1
        found.look(made, ended)
        found.run_again(made)
        assert {r.status for r in made.records().values()} == {"ok"}
    found.notes.append(
        "The parent was killed " + ", ".join(f"{n} times {when}" for when, n in hits.items()) + "."
    )


def test_a_parent_that_is_killed_takes_a_hanging_cell_with_all_its_processes_along(
    comparison, aftermath, often
):
    """Also one that heeds no signal, and that has started processes of its own."""
    for launcher in often(["fork", "spawn"], ["fork"]):
        made = comparison("--launcher", launcher, "--strategies", "faulty(trouble=hang)")
        process = made.start()

        def kill(event, parent, process=process):
            if begins(event, "faulty", "train"):
                time.sleep(1)
                process.kill()

        ended = follow(process, kill)
        assert ended.status == -signal.SIGKILL
        found = aftermath(f"SIGKILL of the parent of a cell that hangs ({launcher})")
        found.look(made, ended)
