"""Is a cell what it claims to be? It must start from the base model's loss, however it is taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from llmbench.record.record import Cell, Record

TOLERANCE = 0.01
"""How far a first loss may be from what it must be, as a share of that: rounding only.

In bf16, another attention kernel moved it by 0.02 % on Llama-2-7B's shape."""
UNKNOWN_TOLERANCE = 0.15
"""The same where the weights are quantised and nobody took the loss of the quantised base, as in
older records."""
TRAINING_TOLERANCE = 0.05
"""How far the loss in training mode may be from that in evaluation where weights are quantised.

On a CPU bitsandbytes trains through 8-bit layers with activations as they are, and evaluates with
activations in 8 bits: 2.942 against 2.893 on SmolLM2-135M, 1.7 %."""
DROPOUT_TOLERANCE = 0.25
"""How far the first step's loss may be where dropout is part of it."""
LEAST_NATS = 1.0
"""A loss below this is taken for as much: of one near zero, rounding is a large share."""
COSTLY = 0.05
"""A share by which quantisation may raise the first loss without a word."""


def first_loss_problems(records: Sequence[Record]) -> dict[str, str]:
    """A sentence for each cell that does not start from the base model, by cell id.

    Every cell starts from the same base, so its loss on the first batch, before anything is learnt,
    must be the base's: a quantised one's that of the same base quantised. It must be so in training
    mode, too, and the first step's own loss must be it. One that is off computes something else,
    however fast it is. A strategy may declare that it starts elsewhere; its training must still
    compute what it is evaluated by. One that trains on an objective of its own has only its first
    step held against what it computed before.
    """
    bases = _bases(records)
    problems = {}
    for record in filter(_checkable, records):
        problem = _start(record, bases.get(_sharing(record))) or _training(record)
        if problem:
            problems[record.cell.id] = f"{problem}, and its figures are not to be used."
    return problems


def elsewhere(record: Record) -> str:
    """Why the cell does not start from the base model's loss, by its strategies' word."""
    return " ".join(m.starts_elsewhere for m in record.cell.members if m.starts_elsewhere)


def objective(cell: Cell) -> str:
    """What the cell trains on in place of the cross entropy, by its strategies' word."""
    return " ".join(m.objective for m in cell.members if m.objective)


def quantization_cost(record: Record, records: Sequence[Record]) -> float | None:
    """By what share quantisation alone raises the base model's first loss; None where that is not
    known, or nothing is quantised.
    """
    loaded = record.start.loaded if record.start else None
    if not record.quantized or loaded is None:
        return None
    base = _bases(records).get(_sharing(record))
    return loaded / base - 1 if base else None


def unchecked(records: Sequence[Record]) -> list[Record]:
    """Trained cells that ended well and were not held against a base model: there is none."""
    bases = _bases(records)
    return [
        r
        for r in records
        if r.status == "ok" and _checkable(r) and _sharing(r) not in bases and not _own(r)
    ]


def _start(record: Record, base: float | None) -> str | None:
    """What is wrong with the first loss in evaluation mode."""
    first, own, share = record.first_loss, _own(record), TOLERANCE
    if first is None or elsewhere(record):
        return None
    what = "the base model's"
    if record.quantized and own is not None:
        base, what = own, "that of the quantised base model"
    elif record.quantized:
        share = UNKNOWN_TOLERANCE
    elif base is None:
        base = own
    if base is None or _near(first, base, share):
        return None
    return (
        f"Its first loss is {first:.3f} where {what} is {base:.3f}: "
        "it does not compute what the base model does"
    )


def _training(record: Record) -> str | None:
    """What is wrong with the loss while it trains, against what it is evaluated by."""
    first, start = record.first_loss, record.start
    if first is None or start is None:
        return None
    share = TRAINING_TOLERANCE if record.quantized else TOLERANCE
    own = objective(record.cell)
    if start.training is not None and not own and not _near(start.training, first, share):
        return (
            f"In training mode its first loss is {start.training:.3f}, without dropout, and "
            f"{first:.3f} in evaluation: it does not train the model that it is evaluated as"
        )
    step = record.steps[0].loss if record.steps else None
    if step is None or start.step is None:
        return None
    if not _near(step, start.step, DROPOUT_TOLERANCE if start.dropout else TOLERANCE):
        return (
            f"The loss of its first step is {step:.3f} where the same batches give "
            f"{start.step:.3f} before: its steps do not train the model that it is evaluated as"
        )
    return None


def _near(loss: float, wanted: float, share: float) -> bool:
    return abs(loss - wanted) <= share * max(wanted, LEAST_NATS)


def _own(record: Record) -> float | None:
    """The loss of what the cell loaded, before its strategies adapted it."""
    return record.start.loaded if record.start else None


def _checkable(record: Record) -> bool:
    """Whether it trains on the first batch that its base saw; a fitted cell has another one."""
    return record.cell.trains and not record.cell.fit


def _bases(records: Sequence[Record]) -> dict[tuple[object, ...], float]:
    """The base models' first losses, by what a cell must share to be held against them."""
    return {_sharing(r): r.first_loss for r in records if not r.cell.trains and r.first_loss}


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

    Of the untrained model nothing else is expected, and what is right for as many inputs, as a
    label may be, is no sign of it. A model may write no text at all.
    """
    total = len(record.examples)
    if not record.cell.trains or record.generation is None or total < LEAST_EXAMPLES:
        return None
    [(text, count)] = Counter(e.prediction for e in record.examples).most_common(1)
    usual = sum(text in e.references for e in record.examples)
    if count < max(2, SHARE * total) or count <= usual:
        return None
    same = "the same text" if text else "nothing"
    return f"wrote {same} for {count} of {total} inputs"


ENDLESS = (
    "They were cut off there: raise --max-new-tokens, or train longer (--steps), so that the end "
    "of an answer is learnt."
)


def endless(record: Record) -> str | None:
    """How many predictions did not end by themselves, to follow the cell's name; None for few.

    The untrained model has not learnt where an answer ends, and a text that goes on has no end.
    """
    if record.effective.get("template") == "none":
        return None
    most, total = record.cell.settings.max_new_tokens, len(record.examples)
    count = sum(e.new_tokens >= most for e in record.examples)
    if not record.cell.trains or count < max(2, SHARE * total):
        return None
    return f"had {count} of {total} predictions hit --max-new-tokens ({most})"
