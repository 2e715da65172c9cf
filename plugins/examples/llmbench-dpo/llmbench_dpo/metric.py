"""Whether a trained model prefers the answers that people chose, against what it was before."""

from __future__ import annotations

from collections.abc import Sequence

from llmbench.errors import ConfigError
from llmbench.plugin.metric import ModelMetric, Score, Subject
from llmbench.record.measure import Measure


class Preference(ModelMetric):
    """The implicit reward of Rafailov et al. (2023, arXiv 2305.18290, section 4), without its beta.

    For an answer y to a prompt x it is r(x, y) = log p(y | x) - log p0(y | x), where p is the model
    that is evaluated and p0 the model as it was loaded, before any strategy. An answer's logarithm
    is the sum over its tokens and the token that ends it, as far as `--seq-len` lets them stand.
    The margin of a pair is r(chosen) - r(rejected), in nats: the answer with the higher reward is
    preferred, whatever beta. Of the untrained model every margin is 0.
    """

    id = "preference"
    summary = "share of pairs whose chosen answer is preferred; looks at the model"

    def measures(self) -> Sequence[Measure]:
        """The share of pairs, and by how much."""
        return [
            Measure(
                id="preference_accuracy",
                label="Preference accuracy",
                meaning="share of pairs whose chosen answer gained more likelihood over the "
                "untrained model than the rejected one; a pair where both gained the same is half",
            ),
            Measure(
                id="reward_margin",
                label="Reward margin",
                better="higher",
                unit="nats",
                least=None,
                most=None,
                margin=0.1,
                meaning="by how much more, in nats per pair; beta times this is DPO's margin",
            ),
        ]

    def look(self, subject: Subject) -> Score:
        """Both figures of each pair."""
        if not all(subject.rejected):
            raise ConfigError(
                f"'{self.id}' needs an answer that was rejected in every example: take "
                "--task preference with data that have prompt, chosen and rejected."
            )
        own = _gaps(subject)
        with subject.base() as base:
            before = own if base is subject else _gaps(base)
        margins = [mine - theirs for mine, theirs in zip(own, before, strict=True)]
        preferred = [0.5 if m == 0 else float(m > 0) for m in margins]
        return Score(examples={"preference_accuracy": preferred, "reward_margin": margins})


def _gaps(subject: Subject) -> list[float]:
    """By how many nats each chosen answer is likelier than the rejected one."""
    chosen = subject.losses([texts[0] for texts in subject.references])
    rejected = subject.losses([texts[0] for texts in subject.rejected])
    return [worse - better for (better, _), (worse, _) in zip(chosen, rejected, strict=True)]
