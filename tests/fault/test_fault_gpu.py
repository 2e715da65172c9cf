"""GPU memory that runs out, under a limit on torch's allocator, and one GPU for two runs."""

from __future__ import annotations

import pytest
from harness import follow, kinds

from llmbench import errors

pytestmark = pytest.mark.gpu

MIB = 2**20
PHASES = ("load", "train", "evaluate")
REAL = (
    *("--device", "cuda", "--model", "llama-3.2-1b", "--seq-len", "512", "--batch-size", "4"),
    *("--max-new-tokens", "16", "--steps", "6", "--no-predict"),
)


def device_bytes(record):
    """What is in use on the GPU as the cell begins, this process's context included."""
    return record.phases["load"].probes["start"]["device_bytes"]


def test_memory_that_runs_out_is_told_and_the_next_cell_starts_afresh(comparison, aftermath, often):
    """Real allocations of the model fail: its weights, its gradients, its cache of keys."""
    names = {f"faulty(phase={p},trouble=cap)".replace("phase=train,", ""): p for p in PHASES}
    seeds = often(3, 1)
    made = comparison(*REAL, "--strategies", ",".join([*names, "full"]), "--seeds", str(seeds))
    ended = made.run()
    records = made.records().values()
    assert kinds(records) == {"base": "ok", **dict.fromkeys(names, "oom"), "full": "ok"}
    for record in records:
        if record.status == "oom":
            shortage = record.shortage
            assert record.phase == names[record.cell.composition]
            assert record.phases[record.phase].memory.allocated_bytes > 0
            assert shortage.where == "cuda"
            assert 0 <= shortage.free_bytes < shortage.asked_bytes
            assert shortage.free_bytes < shortage.total_bytes
            assert record.reason.startswith("The GPU's memory ran out when ")
    starts = [device_bytes(r) for r in records]
    found = aftermath("GPU memory runs out under a limit, in load, train and evaluate")
    found.look(made, ended, times=len(names) * seeds)
    assert len(starts) == 5 * seeds
    assert max(starts) - min(starts) < MIB
    found.notes.append(
        f"GPU memory in use as {len(starts)} cells began, {len(names) * seeds} of them after one "
        f"that had run out: {min(starts) / MIB:.2f} to {max(starts) / MIB:.2f} MiB."
    )
    found.run_again(made)


def test_a_second_run_on_the_gpu_refuses_or_waits(comparison, aftermath):
    quick = ("--launcher", "quick", "--strategies", "full", "--device", "cuda", "--no-predict")
    first, second, third = (comparison(*quick) for _ in range(3))
    process, others = first.start(QUICK_SECONDS="0.5"), []

    def two_more(event, parent):
        if event["event"] == "phase" and not others:
            others.append(second.run())
            others.append(third.start("--wait"))

    ended = follow(process, two_more)
    refused, waited = others[0], follow(others[1])
    assert refused.status == errors.USAGE
    assert refused.errors.startswith("llmbench: The GPU '")
    assert f"(process {process.pid}, since " in refused.errors
    assert next(e["event"] for e in waited.events) == "waiting"
    assert (ended.status, waited.status) == (errors.OK, errors.OK)
    found = aftermath("two more runs on one GPU: one refuses, one waits")
    found.look(first, ended)
    found.look(third, waited)
    found.run_again(second)
