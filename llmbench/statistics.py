"""How sure a figure is: bootstrap intervals, and verdicts on paired differences.

Intervals hold 95 % and are BCa bootstraps (Efron, 1987) by scipy. With one seed they cover the
choice of examples, or the scatter of steps, and not the luck of training. Everything is seeded:
the same records give the same numbers.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from llmbench.figure import measured_steps
from llmbench.record import Record

RESAMPLES = 2000
SIGNIFICANCE = 0.05
SEED = 20261122

Word = Literal["better", "worse", "not distinguishable"]


@dataclass(frozen=True)
class Interval:
    """An estimate with the bounds of its 95 % interval."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Verdict:
    """How a cell's quality differs from the reference's, and whether that is more than chance."""

    word: Word
    difference: Interval
    """The cell's mean minus the reference's, over the same examples."""
    p_value: float
    """Of the sign-flip test, corrected for the number of comparisons (Holm, 1979)."""


def quality_interval(record: Record, score: str) -> Interval | None:
    """Interval of the mean of a per-example score; None where there are no scores."""
    values = [e.scores[score] for e in record.examples if score in e.scores]
    return mean_interval(values) if values else None


def rate_interval(record: Record, tokens: str = "nonpadding_tokens") -> Interval | None:
    """Interval of the tokens of one kind per second over the measured steps."""
    steps = measured_steps(record)
    return _rate([getattr(s, tokens) for s in steps], [s.seconds for s in steps])


def rate_change(new: Sequence[Record], old: Sequence[Record]) -> Interval | None:
    """Interval of by how many percent the tokens of `rate_interval` grew, over all measured steps.

    The records are of the same seeds in the same order. Steps are drawn in pairs, since step n of
    both had the same batch; None where there are not two of them.
    """
    steps = [
        pair
        for after, before in zip(new, old, strict=True)
        for pair in zip(measured_steps(after), measured_steps(before), strict=False)
    ]
    if len(steps) < 2:
        return None
    sides = [[pair[side] for pair in steps] for side in (0, 1)]
    columns = [
        [float(getattr(step, name)) for step in side]
        for side in sides
        for name in ("nonpadding_tokens", "seconds")
    ]
    return _bootstrap(
        tuple(columns),
        lambda t, s, u, r, axis: (
            100 * (t.sum(axis) / s.sum(axis) / (u.sum(axis) / r.sum(axis)) - 1)
        ),
    )


def generation_interval(record: Record) -> Interval | None:
    """Interval of the new tokens per second over the generated batches."""
    batches = record.generation.batches if record.generation else ()
    return _rate([b.new_tokens for b in batches], [b.seconds for b in batches])


def mean_interval(values: Sequence[float]) -> Interval:
    """Interval of the mean of the values."""
    return _bootstrap((values,), lambda v, axis: v.mean(axis))


def quality_verdicts(
    records: Sequence[Record], reference: Record, score: str
) -> dict[str, Verdict]:
    """For every other record with scores on the reference's examples: is it better or worse?"""
    differences = {
        r.cell.id: paired
        for r in records
        if r.cell.id != reference.cell.id and (paired := paired_differences(r, reference, score))
    }
    return verdicts(differences)


def verdicts(differences: Mapping[str, Sequence[float]]) -> dict[str, Verdict]:
    """A verdict on each list of paired differences, corrected for how many lists there are."""
    raw = {cell: sign_flip_p(values) for cell, values in differences.items()}
    corrected = holm(raw)
    return {
        cell: _verdict(mean_interval(values), corrected[cell])
        for cell, values in differences.items()
    }


def paired_differences(one: Record, other: Record, score: str) -> list[float]:
    """Score of `one` minus score of `other`, for each example that both have.

    Of different data there are none: their ids may be alike, and mean other examples.
    """
    if one.cell.eval_data.sha256 != other.cell.eval_data.sha256:
        return []
    theirs = {e.id: e.scores[score] for e in other.examples if score in e.scores}
    return [
        e.scores[score] - theirs[e.id] for e in one.examples if score in e.scores and e.id in theirs
    ]


def sign_flip_p(differences: Sequence[float]) -> float:
    """Two-sided p-value of a mean of zero: how often random signs give as large a mean.

    The paired permutation test (Fisher, 1935), with the observed signs counted in.
    """
    import numpy as np

    values = np.asarray(differences)
    if not values.any():
        return 1.0
    signs = np.random.default_rng(SEED).choice((-1.0, 1.0), size=(RESAMPLES, len(values)))
    means = np.abs(signs @ values) / len(values)
    extreme = int((means >= abs(values.mean()) - 1e-12).sum())
    return (extreme + 1) / (RESAMPLES + 1)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """The p-values corrected for their number by Holm's step-down method."""
    corrected: dict[str, float] = {}
    largest = 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda n: p_values[n])):
        largest = max(largest, min(1.0, p_values[name] * (len(p_values) - rank)))
        corrected[name] = largest
    return corrected


def _verdict(difference: Interval, p_value: float) -> Verdict:
    beyond = difference.low > 0 or difference.high < 0
    word: Word = "not distinguishable"
    if p_value < SIGNIFICANCE and beyond:
        word = "better" if difference.estimate > 0 else "worse"
    return Verdict(word, difference, p_value)


def _rate(tokens: Sequence[float], seconds: Sequence[float]) -> Interval | None:
    if len(seconds) < 2:
        return None
    return _bootstrap((tokens, seconds), lambda t, s, axis: t.sum(axis) / s.sum(axis))


def _bootstrap(samples: tuple[Sequence[float], ...], statistic: Callable[..., Any]) -> Interval:
    import numpy as np
    from scipy.stats import bootstrap

    arrays = tuple(np.asarray(s, dtype=float) for s in samples)
    estimate = float(statistic(*arrays, axis=0))
    if len(arrays[0]) < 2 or all(np.ptp(a) == 0 for a in arrays):
        return Interval(estimate, estimate, estimate)
    with warnings.catch_warnings(action="ignore"):  # of degenerate data, which are seen to below
        found = bootstrap(
            arrays,
            statistic,
            paired=len(arrays) > 1,
            vectorized=True,
            n_resamples=RESAMPLES,
            method="BCa",
            rng=np.random.default_rng(SEED),
        ).confidence_interval
    if math.isnan(found.low) or math.isnan(found.high):  # BCa has none for some degenerate data
        return Interval(estimate, estimate, estimate)
    return Interval(estimate, float(found.low), float(found.high))
