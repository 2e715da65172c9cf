"""The metric `placeholder` for llmbench."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llmbench import hookimpl
from llmbench.plugin.metric import Metric, Score
from llmbench.record.measure import Measure

LLMBENCH_HOOKS = 1


class PlaceholderMetric(Metric):
    """Which share of a reference's words a prediction has. Put your score in place of it."""

    id = "placeholder"
    summary = "share of the reference's words that the prediction has"

    def measures(self) -> Sequence[Measure]:
        """What the score means: the first that has a direction ranks."""
        meaning = "share of the reference's words that the prediction has"
        return [Measure(id="placeholder_share", label="Share of words", meaning=meaning)]

    def score(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
        """A share from 0 to 1 for each example, the best of its references."""
        pairs = zip(predictions, references, strict=True)
        return Score(examples={"placeholder_share": [_best(said, known) for said, known in pairs]})


def _best(prediction: str, references: Sequence[str]) -> float:
    said = set(prediction.split())
    words = [set(reference.split()) for reference in references]
    return max(len(said & wanted) / max(1, len(wanted)) for wanted in words)


@hookimpl
def register_metrics(register: Callable[[type[Metric]], None]) -> None:
    """Offer `placeholder`."""
    register(PlaceholderMetric)
