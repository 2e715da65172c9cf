"""How sure a speed is, and whether one arm is faster than another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, median

from llmbench.analysis.statistics.interval import (
    Interval,
    around,
    few_interval,
    mean_and_error,
    quantile,
    student_p,
)
from llmbench.analysis.statistics.quality import same_seeds
from llmbench.analysis.statistics.verdict import Judged, Verdict, verdicts
from llmbench.record.arm import Arm
from llmbench.record.figure import generate_rate, measured_steps, train_rate
from llmbench.record.record import Record

BLOCKS = 10
"""Blocks of successive steps that a cell is cut into, at most (Schmeiser, 1982)."""
MOST_LOG = 700.0
"""A log ratio beyond which there is no number for the ratio."""
LEAST_STEPS = 3
"""Steps of a block, at least: the median of three resists one that something else held up."""


def rate_interval(arm: Arm, tokens: str = "nonpadding_tokens") -> Interval | None:
    """Interval of the tokens of one kind per second over the measured steps, and over seeds."""
    if len(arm.counted) > 1:
        return few_interval(arm.values(train_rate(tokens)))
    record = arm.counted[0]
    if train_rate(tokens)(record) is None:
        return None
    return _ratio_interval([(getattr(s, tokens), s.seconds) for s in measured_steps(record)])


def generation_interval(arm: Arm) -> Interval | None:
    """Interval of the new tokens per second over the generated batches, and over seeds."""
    if len(arm.counted) > 1:
        return few_interval(arm.values(generate_rate))
    made = arm.counted[0].generation
    if made is None or generate_rate(arm.counted[0]) is None:
        return None
    return _ratio_interval([(b.new_tokens, b.seconds) for b in made.batches])


def speed_verdicts(arms: Sequence[Arm], reference: Arm) -> dict[str, Verdict]:
    """For every other arm that trained on the reference's batches: is it faster or slower?"""
    judged = {
        arm.id: found
        for arm in arms
        if arm.id != reference.id and (found := judge_speed(arm, reference))
    }
    return verdicts(judged)


def judge_speed(one: Arm, other: Arm) -> Judged | None:
    """How much faster `one` is, as a share of the other's speed; None where that cannot be said.

    Cells with the same seed see the same batches in the same order, so that the log ratio of the
    seconds of each step is free of the batches' lengths. Successive steps are alike, and so the
    steps are cut into few blocks (batch means: Conway, 1963; Schmeiser, 1982), each with its
    median, which a step that another process held up does not move.

    With several seeds the cells are what is repeated, and Student's t over their ratios covers
    whatever drifts from cell to cell (Kalibera and Jones, 2013). With one there is nothing to
    tell that drift from: it is taken to be as large as that between the blocks of the one pair.
    """
    pairs = same_seeds(one, other)
    cells = [blocks for a, b in pairs if (blocks := _log_ratios(a, b))]
    if not cells:
        return None
    if len(cells) > 1:
        (mean, error), freedom = mean_and_error([fmean(c) for c in cells]), len(cells) - 1
    else:
        (mean, error), freedom = mean_and_error(cells[0]), len(cells[0]) - 1
        error *= math.sqrt(len(cells[0]) + 1)
    found = around(mean, quantile(freedom) * error)
    shares = (math.expm1(min(v, MOST_LOG)) for v in (found.estimate, found.low, found.high))
    certain = 1.0 if mean == 0 else 0.0
    return Judged(Interval(*shares), student_p(mean / error, freedom) if error else certain)


def _log_ratios(one: Record, other: Record) -> list[float]:
    """Median of log(seconds of `other` over seconds of `one`) in each block of steps."""
    ours, theirs = measured_steps(one), measured_steps(other)
    timed = train_rate("padded_tokens")
    if timed(one) is None or timed(other) is None or len(ours) != len(theirs):
        return []
    if any(a.padded_tokens != b.padded_tokens for a, b in zip(ours, theirs, strict=True)):
        return []  # other batches
    ratios = [math.log(b.seconds / a.seconds) for a, b in zip(ours, theirs, strict=True)]
    count = min(BLOCKS, len(ratios) // LEAST_STEPS)
    return [median(ratios[a:b]) for a, b in _blocks(len(ratios), count)] if count > 1 else []


def _ratio_interval(samples: Sequence[tuple[float, float]]) -> Interval | None:
    """Interval of tokens over seconds in one cell, by the means of blocks of successive samples.

    The ratio's error is that of its linearisation (Cochran, 1977, section 6.4).
    """
    if len(samples) < 2:
        return None
    tokens, seconds = (sum(column) for column in zip(*samples, strict=True))
    rate, count = tokens / seconds, min(BLOCKS, len(samples))
    left = [
        count * sum(t - rate * s for t, s in samples[a:b]) / seconds
        for a, b in _blocks(len(samples), count)
    ]
    return around(rate, quantile(count - 1) * mean_and_error(left)[1])


def _blocks(length: int, count: int) -> list[tuple[int, int]]:
    """Ends of `count` blocks of nearly equal length."""
    return list(pairwise(length * n // count for n in range(count + 1)))
