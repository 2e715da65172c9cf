"""Records from before metrics declared their scores: what the installed metrics say of them."""

from __future__ import annotations

from llmbench.plugin.scoring import meaning
from llmbench.record.record import Record


def with_measures(record: Record) -> Record:
    """The record with its scores' meaning, where that is not in it and can be told."""
    names = set(record.corpus_scores).union(*(e.scores for e in record.examples[:1]))
    if record.measures or not names:
        return record
    known = [m for text in record.cell.metrics for m in meaning(text) if m.id in names]
    return record.model_copy(update={"measures": tuple(known)})
