"""Predictions that do not depend on their inputs, however well they score."""

from __future__ import annotations

from collections import Counter

from llmbench.record import Record

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
