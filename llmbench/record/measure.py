"""What a metric says of one of its scores: what it is called, which way is better, how far it goes.

It stands in every record, so that a report needs no plugin to show and rank a score.
"""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Better = Literal["higher", "lower", "neither"]
Unit = Literal["score", "points", "nats", "number"]


class Measure(BaseModel):
    """One score of a metric, as its plugin declares it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    id: str
    """As in `Score.examples` or `Score.corpus`, and the column of results.csv."""
    label: str
    """As a person reads it: `ROUGE-L`."""
    better: Better = "higher"
    """Which way is better. What is better neither way is shown, and never ranks."""
    unit: Unit = "score"
    """How it is written: `score` from 0 to 1, `points` from 0 to 100, `nats`, or `number`."""
    least: float | None = 0.0
    """The lowest value that there can be; None where it has no bound."""
    most: float | None = 1.0
    """The highest, likewise."""
    margin: float = Field(0.01, gt=0)
    """Differences smaller than this matter to nobody, unless --margin says otherwise."""
    meaning: str = ""
    """In one sentence, for the table of figures."""
    metric: str = ""
    """What gave it, as `--metrics` names it; the harness fills it in."""
    blind: str | None = None
    """The id of the score that tells which share of the texts' characters this one cannot see."""
    instead: str = ""
    """What to name in --metrics where it cannot see them."""

    @property
    def ends(self) -> tuple[float, float]:
        """The range, open ends as infinities."""
        least = -math.inf if self.least is None else self.least
        return least, math.inf if self.most is None else self.most


def undeclared(name: str) -> Measure:
    """What is known of a score that no metric has declared: a number, better neither way."""
    return Measure(id=name, label=name, better="neither", unit="number", least=None, most=None)
