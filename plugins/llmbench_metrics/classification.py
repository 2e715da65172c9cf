"""Classification: the share of right labels, macro-F1, and labels chosen by their likelihood."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from llmbench.errors import ConfigError
from llmbench.plugin.metric import Metric, ModelMetric, Score, Subject, jackknife
from llmbench.record.measure import Measure

MOST_LABELS = 50
"""Labels whose likelihood is asked for: more are hardly labels."""


def label(text: str) -> str:
    """The label that a text names: without case, blanks around it, and a full stop behind it."""
    return text.strip().rstrip(".").casefold()


class Accuracy(Metric):
    """1 where the prediction names one of the right labels."""

    id = "accuracy"
    summary = "share of predictions that are a right label"

    def measures(self) -> Sequence[Measure]:
        """The share of right labels."""
        meaning = "share of predictions that are a right label"
        return [Measure(id="accuracy", label="Accuracy", meaning=meaning)]

    def score(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
        """1 or 0 for each example."""
        pairs = zip(predictions, references, strict=True)
        hits = [float(label(p) in set(map(label, wanted))) for p, wanted in pairs]
        return Score(examples={"accuracy": hits})


class MacroF1(Metric):
    """The mean of the labels' F1, each label counting the same however rare it is.

    Labels are those among the references, of each example the first. A prediction that is none of
    them is wrong, and counts for no label.
    """

    id = "macro-f1"
    summary = "mean of the labels' F1, whatever their number of examples"

    def measures(self) -> Sequence[Measure]:
        """The mean of the F1."""
        meaning = "mean of the labels' F1, each label counting the same"
        return [Measure(id="macro_f1", label="Macro-F1", meaning=meaning)]

    def score(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
        """A figure of the whole set, with pseudo-values."""
        said = [label(p) for p in predictions]
        right = [label(wanted[0]) for wanted in references]
        labels = sorted(set(right))
        whole = _macro(said, right, labels)
        without = [
            _macro(said[:i] + said[i + 1 :], right[:i] + right[i + 1 :], labels)
            for i in range(len(said))
        ]
        return Score(corpus={"macro_f1": whole}, examples={"macro_f1": jackknife(whole, without)})


def _macro(said: Sequence[str], right: Sequence[str], labels: Sequence[str]) -> float:
    hits = Counter(r for s, r in zip(said, right, strict=True) if s == r)
    counts = Counter(said) + Counter(right)
    values = [2 * hits[name] / counts[name] for name in labels if counts[name]]
    return sum(values) / len(values) if values else 0.0


class LikelyLabel(ModelMetric):
    """1 where the right label is the likeliest of all, given the prompt, in nats per label.

    The labels are those of the task or, where it names none, the references of all examples.
    Nothing is generated, so that no label is lost to a prediction that says something else.
    """

    id = "label-likelihood"
    summary = "accuracy and macro-F1 of the likeliest labels; looks at the model"

    def measures(self) -> Sequence[Measure]:
        """The share of right labels, and the mean of the labels' F1."""
        return [
            Measure(
                id="label_accuracy",
                label="Label accuracy",
                meaning="share of examples whose right label the model finds likeliest",
            ),
            Measure(
                id="label_macro_f1",
                label="Label macro-F1",
                meaning="mean of the F1 of the labels that the model finds likeliest",
            ),
        ]

    def look(self, subject: Subject) -> Score:
        """1 or 0 for each example; ConfigError where there are too many labels to be labels."""
        labels = list(subject.choices) or sorted({t for r in subject.references for t in r})
        if len(labels) > MOST_LABELS:
            raise ConfigError(
                f"'{self.id}' found {len(labels):,} different references, and {MOST_LABELS} are "
                "the most that are taken for labels: name another metric in --metrics."
            )
        count = len(subject.references)
        losses = [[loss for loss, _ in subject.losses([name] * count)] for name in labels]
        said = [labels[of.index(min(of))] for of in zip(*losses, strict=True)]
        hits = [float(s in wanted) for s, wanted in zip(said, subject.references, strict=True)]
        f1 = MacroF1().score(said, subject.references)
        return Score(
            examples={"label_accuracy": hits, "label_macro_f1": f1.examples["macro_f1"]},
            corpus={"label_macro_f1": f1.corpus["macro_f1"]},
        )
