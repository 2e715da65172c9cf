"""Asking a metric, and checking what it answers: the same for a worker and for kept predictions."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from llmbench import plugin
from llmbench.errors import UserError
from llmbench.plugin.blame import Amiss
from llmbench.plugin.metric import Metric, Named, Score
from llmbench.record.figure import RESERVED
from llmbench.record.measure import Measure, undeclared
from llmbench.record.record import Example


@dataclass(frozen=True)
class Scored:
    """Examples with their scores, the scores of the whole set, and what all of them mean."""

    examples: tuple[Example, ...]
    corpus: dict[str, float]
    measures: tuple[Measure, ...] = ()

    @property
    def predictions(self) -> list[str]:
        """The text that was predicted for each example."""
        return [e.prediction for e in self.examples]

    @property
    def references(self) -> list[list[str]]:
        """The texts that each prediction is held against."""
        return [list(e.references) for e in self.examples]

    def plus(self, text: str, metric: Metric, ask: Callable[[], Any]) -> Scored:
        """The same with the scores of one more metric, which `--metrics` names by that text.

        Amiss where they are not what they must be.
        """
        score = checked(ask(), metric, self.examples, {m.id for m in self.measures})
        known = {m.id: m for m in declared(metric)}
        given = [*score.examples, *score.corpus]
        names = dict.fromkeys(
            [*(n for n in known if n in given), *(n for n in given if n not in known)]
        )
        measures = (known.get(n) or undeclared(n) for n in names)
        return Scored(
            tuple(_with(e, i, score) for i, e in enumerate(self.examples)),
            self.corpus | score.corpus,
            (*self.measures, *(m.model_copy(update={"metric": text}) for m in measures)),
        )


def metric(text: str) -> Metric:
    """The metric that `--metrics` names so; ConfigError where it is unknown, or cannot be."""
    asked = Named.read(text)
    return asked.make(plugin.registry().metrics.get(asked.id))


def declared(metric: Metric) -> tuple[Measure, ...]:
    """What the metric declares; Amiss where that is not measures."""
    measures: Any = metric.measures()
    if not isinstance(measures, Sequence) or not all(isinstance(m, Measure) for m in measures):
        raise Amiss(f"it returned {type(measures).__name__}, no list of measures")
    return tuple(measures)


@cache
def meaning(text: str) -> tuple[Measure, ...]:
    """What the metric that `--metrics` names so declares; nothing where it is not installed, or
    fails at it.
    """
    try:
        measures = declared(metric(text))
    except UserError:
        return ()
    return tuple(m.model_copy(update={"metric": text}) for m in measures)


def checked(
    value: Any, metric: Metric, examples: Sequence[Example], taken: Collection[str]
) -> Score:
    """A metric's figures: one per example, each a number in its range, under names of their own."""
    if not isinstance(value, Score):
        raise Amiss(f"it returned {type(value).__name__}, not a Score")
    names = value.examples.keys() | value.corpus.keys()
    for wrong, why in (
        (sorted(names & set(taken)), "which another metric gives too"),
        (sorted(names & RESERVED), "which is another column of results.csv"),
    ):
        if wrong:
            raise Amiss(f"it gives '{wrong[0]}', {why}")
    ranges = {m.id: m.ends for m in declared(metric)}
    for name, values in value.examples.items():
        if len(values) != len(examples):
            raise Amiss(f"it gave {len(values)} of {len(examples)} scores of '{name}'")
        ends = None if name in value.corpus else ranges.get(name)  # pseudo-values go anywhere
        for example, one in zip(examples, values, strict=True):
            _sound(one, ends, f"its '{name}' of example '{example.id}'")
    for name, one in value.corpus.items():
        _sound(one, ranges.get(name), f"its '{name}'")
    return value


def _sound(value: float, ends: tuple[float, float] | None, what: str) -> None:
    if not math.isfinite(value):
        raise Amiss(f"{what} is no number")
    if ends and not ends[0] - SLACK <= value <= ends[1] + SLACK:
        raise Amiss(
            f"{what} is {value:g}, and it declares {ends[0]:g} to {ends[1]:g}: "
            "its Measure says otherwise with least and most, None where there is no bound"
        )


SLACK = 1e-6
"""By which rounding may take a score beyond its range."""


def _with(example: Example, index: int, score: Score) -> Example:
    own = {name: values[index] for name, values in score.examples.items()}
    return example.model_copy(update={"scores": {**example.scores, **own}})
