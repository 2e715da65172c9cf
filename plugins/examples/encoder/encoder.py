"""Texts and labels for an encoder, and the share of texts whose label it finds.

`wrap.py` beside it makes the model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llmbench import hookimpl
from llmbench.errors import ConfigError
from llmbench.plugin.metric import Metric, ModelMetric, Score, Subject
from llmbench.plugin.task import Task
from llmbench.record.measure import Measure

LLMBENCH_HOOKS = 1
AT_ONCE = 32

LABELS = Task(
    id="labels",
    summary="texts and their labels, for an encoder with a head for them",
    template="{input}",
    input_fields=("text", "sentence"),
    target_fields=("label",),
    metrics=("encoder-accuracy",),
)


class EncoderAccuracy(ModelMetric):
    """1 where the label that fits best is the text's own."""

    id = "encoder-accuracy"
    summary = "share of texts whose label an encoder finds; looks at the model"

    def measures(self) -> Sequence[Measure]:
        """Accuracy, from 0 to 1."""
        meaning = "share of texts whose own label has the highest score of all"
        return [Measure(id="encoder-accuracy", label="Accuracy", meaning=meaning)]

    def look(self, subject: Subject) -> Score:
        """1 or 0 for each text. The model is asked without the label."""
        import torch

        if not hasattr(subject.model, "numbered"):
            raise ConfigError("This model has no head for labels: make one with wrap.py.")
        read = [
            subject.tokenizer(text, add_special_tokens=False)["input_ids"]
            for text in subject.inputs
        ]
        chosen: list[int] = []
        with torch.no_grad():
            for start in range(0, len(read), AT_ONCE):
                chosen += subject.model.scores(read[start : start + AT_ONCE]).argmax(1).tolist()
        wanted = [
            subject.model.numbered(subject.tokenizer(own, add_special_tokens=False)["input_ids"])
            for own, *_ in subject.references
        ]
        pairs = zip(chosen, wanted, strict=True)
        return Score(examples={"encoder-accuracy": [float(a == b) for a, b in pairs]})


@hookimpl
def register_tasks(register: Callable[[Task], None]) -> None:
    """Offer `labels`."""
    register(LABELS)


@hookimpl
def register_metrics(register: Callable[[type[Metric]], None]) -> None:
    """Offer `encoder-accuracy`."""
    register(EncoderAccuracy)
