"""What a cell that ran out of memory is told: what there was, and what would do with less."""

from __future__ import annotations

from collections.abc import Sequence

from llmbench.record.record import Phase, Record, Shortage
from llmbench.text import size

PLACES = {"cuda": "The GPU's memory", "host": "The host's memory"}
WEIGHTS = "the weights alone are too much: try qlora, or a smaller model"
TRAINING = (
    "try a smaller --batch-size or --seq-len for all cells, or compose it with "
    "gradient-checkpointing or 4-bit"
)
WAYS_OUT: dict[Phase | None, str] = {
    "load": WEIGHTS,
    "prepare": WEIGHTS,
    "train": TRAINING,
    "evaluate": "try a smaller --eval-batch-size or --max-new-tokens",
}


def stopped(retry: Sequence[str]) -> str:
    """What is said when --on-oom stop ends the comparison; --retry would run the cell once more."""
    again = "" if not {"oom", "all"} & set(retry) else ", and without that --retry,"
    return (
        "Stopped after a cell that ran out of memory (--on-oom stop): the same command with the "
        f"same --output{again} goes on with the next one."
    )


def explained(record: Record, instead: str | None = None) -> Record:
    """The record, with a reason that people can act on if memory ran out.

    `instead` is a composition that is predicted to fit.
    """
    if record.status != "oom" or record.shortage is None:
        return record
    shortage = record.shortage.model_copy(update={"instead": instead})
    way_out = WAYS_OUT.get(record.phase, TRAINING)
    if instead:
        way_out = f"take {instead}, which is predicted to fit, or {way_out}"
    reason = f"{what(shortage)}: {way_out}."
    return record.model_copy(update={"reason": reason, "shortage": shortage})


def what(shortage: Shortage) -> str:
    """`The GPU's memory ran out when 2.0 GiB were asked for and 400 MiB of 8.0 GiB were free`."""
    asked, free, total = (
        None if b is None else size(b)
        for b in (shortage.asked_bytes, shortage.free_bytes, shortage.total_bytes)
    )
    of = f" of {total}" if total else ""
    facts = (asked and f"{asked} were asked for", free and f"{free}{of} were free")
    when = " and ".join(filter(None, facts))
    return f"{PLACES[shortage.where]} ran out{f' when {when}' if when else ''}"
