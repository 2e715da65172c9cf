"""What is said of a memory budget: what was looked for within it, how, and what it leaves out."""

from __future__ import annotations

from collections.abc import Iterator

from llmbench.record import Budget, Record
from llmbench.report import words
from llmbench.report.standing import Standing
from llmbench.size import spoken
from llmbench.store import Comparison


def lead(budget: Budget, record: Record, standing: Standing) -> str:
    """What was looked for, and why it stands apart."""
    settings = record.cell.settings
    if budget.stretched == "seq_len":
        batch = words.plural(settings.batch_size, "sequence")
        what = f"The longest sequences of random tokens, {batch} at a time,"
    elif record.cell.train_data.sha256:
        what = "The most sequences at a time, each as long as the longest of the training data,"
    else:
        what = f"The most sequences of {settings.seq_len:,} random tokens at a time"
    memory = f"{spoken(budget.bytes)} of {standing.memory_word}"
    return (
        f"{what} whose training steps stay within {memory}, and how fast that trains. These cells "
        "differ in what they compute at a time: they compete with none of the others, and their "
        "quality is not measured."
    )


def notes(budget: Budget, found: Comparison, standing: Standing) -> Iterator[str]:
    """How the sizes were found, what the budget leaves out, and what is missing."""
    if any(r.steps and r.cell.fit == budget for r in found.records):
        yield "In small: how much faster that is than equal batches."
    yield (
        "Sizes were doubled until one was beyond the budget, and then bisected; a trial is two "
        "real training steps at a learning rate of 0. Speed and memory are those of the steps that "
        "were timed afterwards."
    )
    if budget.stretched == "seq_len":
        yield (
            "Lengths are multiples of 8. Speed is in tokens per second, and the longer a sequence, "
            "the more attention costs for each of its tokens."
        )
    if standing.cuda:
        yield (
            "The budget is of what tensors hold (allocated). The CUDA context, what the allocator "
            "holds in reserve and paged optimiser states come on top: leave room for them."
        )
    else:
        yield (
            "The budget is of the growth of the process on the host. That is sampled, so trials "
            "take nine tenths of it at most."
        )
    yield from _missing(budget, found)


def _missing(budget: Budget, found: Comparison) -> Iterator[str]:
    held = {r.cell.id for r in found.records}
    cells = [p.cell for p in found.header.plan.cells if p.cell.fit == budget]
    absent = [words.code(c.composition) for c in cells if c.id not in held]
    if absent:
        verb = "has" if len(absent) == 1 else "have"
        yield f"{words.listed(absent)} {verb} no record."
