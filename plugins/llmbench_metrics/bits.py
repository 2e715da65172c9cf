"""Bits per byte of the references: compares models whatever their tokens are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from llmbench.plugin.metric import ModelMetric, Score, Subject
from llmbench.record.measure import Measure


class BitsPerByte(ModelMetric):
    """Cross entropy of the first references in bits, over their bytes in UTF-8 (Gao et al., 2020).

    Where `--seq-len` cuts a reference, the bytes of the tokens that are left count alone.
    """

    id = "bits-per-byte"
    summary = "bits per byte of the references, whatever the tokens; looks at the model"

    def measures(self) -> Sequence[Measure]:
        """Bits per byte of each example, and of the whole set."""
        return [
            Measure(
                id="bits_per_byte",
                label="Bits per byte",
                better="lower",
                unit="number",
                most=None,
                meaning="cross entropy of each reference in bits over its bytes in UTF-8, the mean "
                "over examples",
            )
        ]

    def look(self, subject: Subject) -> Score:
        """A figure for each example."""
        texts = [wanted[0] for wanted in subject.references]
        pairs = zip(texts, subject.losses(texts), strict=True)
        return Score(
            examples={
                "bits_per_byte": [
                    nats / math.log(2) / _bytes(subject.tokenizer, text, tokens)
                    for text, (nats, tokens) in pairs
                ]
            }
        )


def _bytes(tokenizer: Any, text: str, tokens: int) -> int:
    """Bytes of a text, or of its first tokens where it has more."""
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    whole = len(text.encode())
    if tokens >= len(ids):
        return whole
    return max(1, min(whole, len(tokenizer.decode(ids[:tokens]).encode())))
