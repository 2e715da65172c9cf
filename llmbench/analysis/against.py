"""Every method against the best, example by example, and on the loss of the references."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean

from llmbench.analysis.standing import Standing
from llmbench.analysis.statistics.quality import LOSS, all_differences, same_seeds
from llmbench.analysis.statistics.verdict import Verdict
from llmbench.record.variant import Variant

MOST_WORST = 3
"""Examples that are named of those on which a method lost most."""


@dataclass(frozen=True)
class Against:
    """How a method does against the best."""

    variant: Variant
    better: int
    """Examples, of every seed that both have, on which it scores better."""
    same: int
    worse: int
    worst: tuple[tuple[str, float], ...]
    """Ids of the examples on which it lost most, and the difference there, the largest first."""
    loss: Verdict | None
    """On the loss per token of the references, in nats; None where it was not taken."""


def against(standing: Standing) -> tuple[Against, ...]:
    """All others that compete and share a seed and examples with the best, in their order."""
    best, score = standing.best, standing.score
    if best is None or score is None or len(standing.competing) < 2:
        return ()
    losses = all_differences(standing.competing, LOSS)
    rivals = []
    for variant in standing.competing:
        gains = (
            list(_differences(variant, best, score.id, score.sign)) if variant is not best else []
        )
        if not gains:
            continue
        measured = losses is not None and {variant.id, best.id} <= losses.index.keys()
        rivals.append(
            Against(
                variant,
                better=sum(d > 0 for _, d in gains),
                same=sum(d == 0 for _, d in gains),
                worse=sum(d < 0 for _, d in gains),
                worst=_worst(gains, score.sign),
                loss=losses.verdict(variant.id, best.id, sign=-1) if losses and measured else None,
            )
        )
    return tuple(rivals)


def _differences(
    variant: Variant, best: Variant, score: str, sign: int
) -> Iterator[tuple[str, float]]:
    """By how much each example is better than with the best, seed by seed."""
    for own, other in same_seeds(variant, best):
        theirs = {e.id: e.scores[score] for e in other.examples if score in e.scores}
        for e in own.examples:
            if score in e.scores and e.id in theirs:
                yield e.id, sign * (e.scores[score] - theirs[e.id])


def _worst(each: list[tuple[str, float]], sign: int) -> tuple[tuple[str, float], ...]:
    """Over the seeds; those on which nothing was lost are none."""
    of: dict[str, list[float]] = {}
    for example, difference in each:
        of.setdefault(example, []).append(difference)
    means = {example: fmean(values) for example, values in of.items()}
    ranked = sorted((e for e in means if means[e] < 0), key=lambda e: means[e])
    return tuple((example, sign * means[example]) for example in ranked[:MOST_WORST])
