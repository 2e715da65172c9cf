"""A cell that hangs."""

from __future__ import annotations

from harness import kinds


def test_a_cell_that_hangs_ends_with_its_processes_and_its_stack_and_the_next_one_runs(
    comparison, aftermath, often
):
    """Two hang: one that ends when it is asked to, and one that does not."""
    cells = ["faulty(trouble=hang)", *often(["faulty(phase=evaluate)"], [])]
    made = comparison("--strategies", ",".join([*cells, "full"]), "--cell-timeout", "10s")
    seen = []

    def look(event, parent):
        if event["event"] == "cell" and event["composition"] == "full":
            seen.extend(p for p in made.workers() if "time.sleep" in "".join(p.cmdline()))

    ended = made.run(on_event=look)
    assert seen == []  # what the hanging cell had started ended before the next one began
    records = made.records().values()
    assert kinds(records) == {"base": "ok", **dict.fromkeys(cells, "timeout"), "full": "ok"}
    for record in records:
        if record.status == "timeout":
            assert record.phase in ("train", "evaluate")
            assert "prepare" in record.phases
            function = "sleep" if record.phase == "evaluate" else "hang"
            assert 'llmbench_faults.py", line' in record.traceback
            assert f"in {function}" in record.traceback
            log = made.store.logs / f"{record.cell.id}.log"
            assert f"in {function}" in log.read_text()
    found = aftermath("a cell that hangs, under --cell-timeout")
    found.look(made, ended, times=len(cells))
    found.run_again(made)
    again = made.run("--retry", "timeout", "--launcher", "quick")
    assert len(again.cells(kept=False)) == len(cells)
    assert {r.status for r in made.records().values()} == {"ok"}
