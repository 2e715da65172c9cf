"""A metric that ranks: how much of a prediction and its reference is the same, in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import SequenceMatcher

from llmbench import hookimpl
from llmbench.plugin.metric import Metric, Score
from llmbench.record.measure import Measure

LLMBENCH_HOOKS = 1


class Similarity(Metric):
    """The first of its measures that has a direction ranks, where it is the first of --metrics."""

    id = "similarity"
    summary = "words that prediction and reference share in the same order"

    def measures(self) -> Sequence[Measure]:
        """A score from 0 to 1, more is better."""
        meaning = "share of words that prediction and reference have in common, in order"
        return [Measure(id="similarity", label="Similarity", meaning=meaning)]

    def score(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
        """The best reference of each example."""
        pairs = zip(predictions, references, strict=True)
        found = [max(ratio(said, one) for one in wanted) for said, wanted in pairs]
        return Score(examples={"similarity": found})


def ratio(one: str, other: str) -> float:
    """Twice the shared words over all words (Ratcliff and Obershelp, 1988)."""
    return SequenceMatcher(None, one.split(), other.split(), autojunk=False).ratio()


@hookimpl
def register_metrics(register: Callable[[type[Metric]], None]) -> None:
    """Offer `similarity`."""
    register(Similarity)
