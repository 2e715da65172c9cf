"""Exact match and the F1 of words, as question answering is scored (Rajpurkar et al., 2016)."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence

from llmbench.plugin.metric import Metric, Score
from llmbench.record.measure import Measure

ARTICLES = frozenset({"a", "an", "the"})


def words(text: str) -> list[str]:
    """Words in lower case, without punctuation and English articles, as SQuAD compares them."""
    plain = "".join(c for c in text.casefold() if unicodedata.category(c)[0] != "P")
    return [word for word in plain.split() if word not in ARTICLES]


class ExactMatch(Metric):
    """1 where the prediction is one of the references, but for case, punctuation and articles."""

    id = "exact-match"
    summary = "share of predictions that equal a reference, as SQuAD compares them"

    def measures(self) -> Sequence[Measure]:
        """The share of matches."""
        meaning = "share of predictions that equal a reference but for case and punctuation"
        return [Measure(id="exact_match", label="Exact match", meaning=meaning)]

    def score(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
        """1 or 0 for each example."""
        pairs = zip(predictions, references, strict=True)
        hits = [float(words(p) in [words(r) for r in wanted]) for p, wanted in pairs]
        return Score(examples={"exact_match": hits})


class TokenF1(Metric):
    """The F1 of the words that prediction and reference share, the best of several references."""

    id = "token-f1"
    summary = "F1 of shared words, as SQuAD has it; the best of several references"

    def measures(self) -> Sequence[Measure]:
        """The F1."""
        meaning = "F1 of the words that prediction and reference share, whatever their order"
        return [Measure(id="token_f1", label="Token F1", meaning=meaning)]

    def score(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
        """An F1 for each example."""
        pairs = zip(predictions, references, strict=True)
        values = [max(f1(words(p), words(r)) for r in wanted) for p, wanted in pairs]
        return Score(examples={"token_f1": values})


def f1(said: Sequence[str], wanted: Sequence[str]) -> float:
    """The F1 of two lists of words; of two that are empty 1, as they agree."""
    if not said or not wanted:
        return float(said == wanted)
    shared = (Counter(said) & Counter(wanted)).total()
    return 2 * shared / (len(said) + len(wanted))
