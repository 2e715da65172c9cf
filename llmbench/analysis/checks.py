"""Is a cell what it claims to be? Its first loss must be the base model's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from llmbench.record.record import Record

TOLERANCE = 0.01
"""How far a first loss may be from the base model's, as a share of it: rounding only.

In bf16, another attention kernel moved it by 0.02 % on Llama-2-7B's shape."""
QUANTIZED_TOLERANCE = 0.15
"""The same where the weights are quantised, which changes the model itself a little."""
LEAST_NATS = 1.0
"""A base loss below this is taken for as much: of one near zero, rounding is a large share."""


def first_loss_problems(records: Sequence[Record]) -> dict[str, str]:
    """A sentence for each cell that does not start from the base model, by cell id.

    Every cell starts from the same base, so its loss on the first batch, before anything is
    learnt, must be the base's. One that is off computes something else, however fast it is.
    """
    bases = _bases(records)
    problems = {}
    for record in filter(_checkable, records):
        base = bases.get(_sharing(record))
        if base is None or record.first_loss is None:
            continue
        off = abs(record.first_loss - base) / max(base, LEAST_NATS)
        if not off <= tolerance(record):
            problems[record.cell.id] = (
                f"Its first loss is {record.first_loss:.3f} where the base model's is {base:.3f}: "
                "it does not compute what the base model does, and its figures are not to be used."
            )
    return problems


def unchecked(records: Sequence[Record]) -> list[Record]:
    """Trained cells that ended well and were not held against a base model: there is none."""
    bases = _bases(records)
    return [r for r in records if r.status == "ok" and _checkable(r) and _sharing(r) not in bases]


def _checkable(record: Record) -> bool:
    """Whether it trains on the first batch that its base saw; a fitted cell has another one."""
    return record.cell.trains and not record.cell.fit


def _bases(records: Sequence[Record]) -> dict[tuple[object, ...], float]:
    """The base models' first losses, by what a cell must share to be held against them."""
    return {_sharing(r): r.first_loss for r in records if not r.cell.trains and r.first_loss}


def tolerance(record: Record) -> float:
    """The share of the base's loss by which this cell's may differ."""
    return QUANTIZED_TOLERANCE if record.quantized else TOLERANCE


def _sharing(record: Record) -> tuple[object, ...]:
    """What makes a first batch, and the model that it is put before."""
    cell, batch = record.cell, record.cell.settings
    data = (cell.train_data.sha256, batch.batch_size, batch.accumulation, batch.seq_len)
    return cell.model, cell.task, cell.seed, *data


LEAST_EXAMPLES = 10
"""Of fewer, a text that comes twice may be chance."""
SHARE = 0.1
"""Of all inputs: from here on, equal or empty predictions are worth a word."""
MEANING = (
    "Such predictions say little of their inputs, whatever they score: read them, and train longer "
    "(--steps) or with another --learning-rate."
)


def degenerate(record: Record) -> str | None:
    """What is to be seen of it, to follow the cell's name; None where all is well.

    Of the untrained model nothing else is expected.
    """
    total = len(record.examples)
    if not record.cell.trains or total < LEAST_EXAMPLES:
        return None
    [(text, count)] = Counter(e.prediction for e in record.examples).most_common(1)
    if count < max(2, SHARE * total):
        return None
    same = "the same text" if text else "nothing"
    return f"wrote {same} for {count} of {total} inputs"


ENDLESS = (
    "They were cut off there: raise --max-new-tokens, or train longer (--steps), so that the end "
    "of an answer is learnt."
)


def endless(record: Record) -> str | None:
    """How many predictions did not end by themselves, to follow the cell's name; None for few.

    The untrained model has not learnt where an answer ends.
    """
    most, total = record.cell.settings.max_new_tokens, len(record.examples)
    count = sum(e.new_tokens >= most for e in record.examples)
    if not record.cell.trains or count < max(2, SHARE * total):
        return None
    return f"had {count} of {total} predictions hit --max-new-tokens ({most})"
