"""Perplexity of the references, given their prompts."""

from __future__ import annotations

import math
from collections.abc import Sequence

from llmbench.plugin.metric import ModelMetric, Score, Subject
from llmbench.record.measure import Measure

MOST_NATS = 100.0
"""Of a token, on average: beyond it the exponential is no figure that anybody reads."""


class Perplexity(ModelMetric):
    """Cross entropy per token of the first references, and its exponential over all of them.

    The cross entropy ranks: of its exponential, a few unlikely references make up nearly all, and
    no number of examples that people have would tell two methods apart. Tokens are the model's
    own: models with other tokenizers do not compare.
    """

    id = "perplexity"
    summary = "log-perplexity and perplexity of the references; looks at the model"

    def measures(self) -> Sequence[Measure]:
        """The mean cross entropy of each example, and the perplexity of the whole set."""
        return [
            Measure(
                id="log_perplexity",
                label="Log-perplexity",
                better="lower",
                unit="nats",
                most=None,
                meaning="cross entropy per token of each reference in nats, the mean over examples",
            ),
            Measure(
                id="perplexity",
                label="Perplexity",
                better="lower",
                unit="number",
                least=1.0,
                most=None,
                margin=0.1,
                meaning="exponential of the mean cross entropy over all tokens of the references",
            ),
        ]

    def look(self, subject: Subject) -> Score:
        """A figure for each example, and one of the whole set."""
        losses = subject.losses([wanted[0] for wanted in subject.references])
        mean = math.fsum(nats for nats, _ in losses) / sum(tokens for _, tokens in losses)
        return Score(
            examples={"log_perplexity": [own / count for own, count in losses]},
            corpus={"perplexity": math.exp(mean)} if mean < MOST_NATS else {},
        )
