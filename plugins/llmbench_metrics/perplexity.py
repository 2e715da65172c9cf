"""Perplexity of the references, given their prompts."""

from __future__ import annotations

import math
from collections.abc import Sequence

from llmbench.plugin.metric import ModelMetric, Score, Subject, jackknife
from llmbench.record.measure import Measure


class Perplexity(ModelMetric):
    """The exponential of the mean cross entropy per token, over all first references.

    Tokens are the model's own: models with other tokenizers do not compare.
    """

    id = "perplexity"
    summary = "perplexity of the references, less is better; looks at the model"

    def measures(self) -> Sequence[Measure]:
        """The perplexity, and the mean cross entropy of each example."""
        return [
            Measure(
                id="perplexity",
                label="Perplexity",
                better="lower",
                unit="number",
                least=1.0,
                most=None,
                margin=0.1,
                meaning="exponential of the mean cross entropy per token of the references",
            ),
            Measure(
                id="reference_nats",
                label="Nats per token",
                better="lower",
                unit="nats",
                most=None,
                meaning="mean cross entropy per token of each reference, averaged over examples",
            ),
        ]

    def look(self, subject: Subject) -> Score:
        """A figure of the whole set, with pseudo-values, and one for each example."""
        found = subject.losses([wanted[0] for wanted in subject.references])
        nats, tokens = math.fsum(n for n, _ in found), sum(t for _, t in found)
        whole = math.exp(nats / tokens)
        without = [
            math.exp((nats - own) / (tokens - count)) if tokens > count else whole
            for own, count in found
        ]
        return Score(
            corpus={"perplexity": whole},
            examples={
                "perplexity": jackknife(whole, without),
                "reference_nats": [own / count for own, count in found],
            },
        )
