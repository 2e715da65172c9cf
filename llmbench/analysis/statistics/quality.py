"""How sure the quality of an arm is, and how it differs from another's."""

from __future__ import annotations

from collections.abc import Sequence

from llmbench.analysis.statistics.crossed import crossed
from llmbench.analysis.statistics.interval import LEVEL, Interval, mean_interval
from llmbench.analysis.statistics.verdict import Verdict, judge, verdicts
from llmbench.record.arm import Arm
from llmbench.record.record import Record

Scores = dict[str, float]
"""A score by example id."""


def quality_interval(arm: Arm, score: str) -> Interval | None:
    """Interval of the mean of a per-example score; None where there are no scores.

    With one seed by the BCa bootstrap over the examples. With several over seeds and examples
    together, by their crossed effects: resampling a handful of seeds is too narrow by half.
    """
    rows = _rows([_scores(r, score) for r in arm.counted])
    if not rows:
        return None
    return mean_interval(rows[0]) if len(rows) == 1 else crossed(rows).interval(LEVEL)


def quality_verdicts(
    arms: Sequence[Arm], reference: Arm, score: str, margin: float | None = None, sign: int = 1
) -> dict[str, Verdict]:
    """For every other arm with scores on the reference's examples: is it better, worse, as good?

    As good is what differs by less than the margin; without one, nothing is said to be. More is
    better where `sign` is 1, and less where it is -1.
    """
    differences = {
        arm.id: rows
        for arm in arms
        if arm.id != reference.id and (rows := paired_differences(arm, reference, score))
    }
    return verdicts({name: judge(rows) for name, rows in differences.items()}, margin, sign)


def paired_differences(one: Arm, other: Arm, score: str) -> list[list[float]]:
    """Score of `one` minus score of `other`: a row for each pair of cells with the same seed.

    In each row the examples that all have, in the same order. Of different data there are none:
    their ids may be alike, and mean other examples. Arms without a seed in common are paired in
    their order.
    """
    if one.cell.eval_data.sha256 != other.cell.eval_data.sha256:
        return []
    pairs = [(_scores(a, score), _scores(b, score)) for a, b in same_seeds(one, other)]
    return _rows([{i: a[i] - b[i] for i in a if i in b} for a, b in pairs])


def same_seeds(one: Arm, other: Arm) -> list[tuple[Record, Record]]:
    """The cells of both with the same seed; where there are none, in their order."""
    theirs = {r.cell.seed: r for r in other.counted}
    shared = [(r, theirs[r.cell.seed]) for r in one.counted if r.cell.seed in theirs]
    return shared or list(zip(one.counted, other.counted, strict=False))


def _scores(record: Record, score: str) -> Scores:
    return {e.id: e.scores[score] for e in record.examples if score in e.scores}


def _rows(held: Sequence[Scores]) -> list[list[float]]:
    """The scores on the examples that all have; cells without any are left out."""
    measured = [scores for scores in held if scores]
    shared = [i for i in measured[0] if all(i in s for s in measured)] if measured else []
    return [[scores[i] for i in shared] for scores in measured] if shared else []
