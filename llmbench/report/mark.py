"""Which rows are marked as the best of a column: the best, and all that tie with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llmbench.arm import Arm
from llmbench.figure import Figure
from llmbench.report import words
from llmbench.report.column import value_of
from llmbench.report.standing import Standing


def leading(figure: Figure, standing: Standing) -> frozenset[str]:
    """Arms to mark in a column: the best of those competing, and all that tie with it."""
    if len(standing.competing) < 2 or figure.better == "neither":
        return frozenset()
    leaders: Sequence[Arm] = ()
    if standing.score and figure.id == standing.score.id:
        leaders = [
            arm
            for arm in standing.competing
            if arm is standing.best or standing.word(arm) not in (None, "worse")
        ]
    elif figure.id == "train_tokens_per_second":
        leaders = standing.fastest()
    elif figure.id in PLAIN:
        leaders = _leaders(standing.competing, figure)
    alike = len(leaders) == len(standing.competing)  # then nothing is the best
    return frozenset() if alike else frozenset(arm.id for arm in leaders)


PLAIN = frozenset({"peak_memory_bytes", "artifact_bytes"})
"""Figures of which the plain extreme is marked. The others scatter, nobody knows how much."""


def _leaders(arms: Sequence[Arm], figure: Figure) -> list[Arm]:
    measured = {arm.id: v for arm in arms if (v := value_of(figure, arm)) is not None}
    if not measured:
        return []
    choose: Callable[..., float] = max if figure.better == "higher" else min
    top = words.figure_value(figure, choose(measured.values()))
    return [
        arm
        for arm in arms
        if arm.id in measured and words.figure_value(figure, measured[arm.id]) == top
    ]
