"""How often does a race give up the best method, and when does it end? Scores of a known truth.

    python tests/benchmark/racing.py --runs 2000

Every run plans, races and ends by the functions that a comparison with a time budget uses, on a
clock that goes by durations which scatter. Prints, in percent of the runs: those that give up the
best method, those that give up any that is as good as the best within the margin, those whose last
page is wrong in a verdict; what part of the methods that are worse by more than the margin is told
from the best, beside what is told without a race by the seeds that were planned; and when they end.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

import records
from scores import Design, pages, say

from llmbench.analysis import race
from llmbench.analysis.statistics.differences import Differences, differences
from llmbench.record.record import Cell, DataRef
from llmbench.run import budget, clock
from llmbench.run.budget import Costs, Ran
from llmbench.run.clock import Clock
from llmbench.run.timed import REPORT_SECONDS

MARGIN = 0.01
BODY, EXAMPLE = 14.0, 0.1
"""Seconds of a cell without its evaluation, and of an example."""
STEPS = 60
MOST_EXAMPLES = 200
SHORT = {
    "seven equal, luck 0.02": 600.0,
    "seven equal, luck 0.02, one unstable": 600.0,
    "two equal, luck 0.02, one unstable": 180.0,
    "a ladder": 600.0,
    "a ladder, luck 0.02": 600.0,
}
"""Designs that are drawn with less time as well, which has room for two or three seeds."""
LADDER = (0.1, 0.08, 0.05, 0.03, 0.02, 0.01)
"""By how much six of seven methods are worse than the last."""


@dataclass(frozen=True)
class Pace:
    """How the durations of a run's cells scatter, as standard deviations of their logarithm."""

    methods: float = 0.3
    """From method to method."""
    cells: float = 0.1
    """From cell to cell."""
    budget: float = 1800.0
    """Seconds that a run has."""
    slower: float = 1.0
    """How many times as long cells take from some moment on: another program has begun."""


@dataclass
class Run:
    """One run of a race on a page of scores, methods x seeds x examples."""

    drawn: Any
    pace: Pace
    random: Any

    def __post_init__(self) -> None:
        count = len(self.drawn)
        self.time, self.decided = 0.0, False
        self.ran: list[Ran] = []
        self.held: dict[str, dict[int, Any]] = {str(n): {} for n in range(count)}
        self.gone: dict[str, int] = {}
        self.factors = np.exp(self.pace.methods * self.random.standard_normal(count))
        self.disturbed = self.random.uniform(0.2, 0.8) * self.pace.budget
        self.looks = race.looks(race.MOST_SEEDS)
        self.look_level, self.last_level = race.levels(self.looks)
        self.clock = Clock(self.pace.budget, 0.0)
        self.reserve = max(REPORT_SECONDS, 0.01 * self.pace.budget)

    def go(self) -> Run:
        """Plan and race to the end."""
        with mock.patch.object(clock, "now", self.now):
            self.train("0", 0, pilot=True)
            for name in self.held:  # as the search for learning rates leaves it: all were timed
                self.train(name, 0, tuning=True)
            planned = budget.allot(
                self.clock.left - self.reserve,
                [self.body(name) for name in self.held],
                0.0,
                self.costs.per_example() or EXAMPLE,
                (budget.LEAST_EXAMPLES, MOST_EXAMPLES),
                race.MOST_SEEDS,
                self.last_level,
            )
            # In tens, so that not every run has quantiles of its own to work out.
            self.planned = replace(planned, examples=planned.examples // 10 * 10)
            self.race()
            self.time += REPORT_SECONDS
        return self

    def now(self) -> float:
        return self.time

    def race(self) -> None:
        """Train those in the race with one seed after the other."""
        left = list(self.held)
        for seed in range(race.MOST_SEEDS):
            expected = sum(self.costs.expected(self.cell(name)) or 0.0 for name in left)
            if seed and not self.clock.has_room(expected + self.reserve):
                return
            for name in left:
                if not self.train(name, seed):
                    return
            if seed + 1 in self.looks:
                left = self.look(left, seed + 1)
                if self.settled(left):
                    self.decided = True
                    return

    def look(self, left: list[str], seeds: int) -> list[str]:
        """Who stays."""
        between = differences(self.scores(), self.look_level)
        lost = race.behind(between, left, self.best(left), MARGIN)
        self.gone |= dict.fromkeys(lost, seeds)
        return [name for name in left if name not in lost]

    def settled(self, left: list[str]) -> bool:
        """Whether nobody who stays is undecided against the best."""
        words = self.words(left, self.look_level)
        return all(word != "undecided" for word in words.values())

    @property
    def left(self) -> list[str]:
        """Who was never given up."""
        return [name for name in self.scores() if name not in self.gone]

    @property
    def full(self) -> bool:
        """Whether some method has all the seeds that there are."""
        return max(map(len, self.held.values())) == race.MOST_SEEDS

    def page(self) -> dict[str, str]:
        """What the last page says of all others against the best."""
        lost = dict.fromkeys(self.gone, "worse")
        return self.words(self.left, self.look_level if self.decided else self.last_level) | lost

    def words(self, left: list[str], level: float) -> dict[str, str]:
        """What is said of those in the race against the best."""
        between, best = differences(self.scores(), level), self.best(left)
        return told(between, best, [name for name in left if name != best])

    def scores(self) -> dict[str, dict[int, Any]]:
        return {name: rows for name, rows in self.held.items() if rows}

    def best(self, left: list[str]) -> str:
        return max(left, key=lambda name: float(np.mean(list(self.held[name].values()))))

    def train(self, name: str, seed: int, pilot: bool = False, tuning: bool = False) -> bool:
        """Let the time of a cell pass; whether it ended before it would be cut off."""
        cell = self.cell(name, pilot=pilot, tuning=tuning)
        scatter = float(np.exp(self.pace.cells * self.random.standard_normal()))
        scatter *= self.pace.slower if self.time > self.disturbed else 1.0
        step = scatter * self.factors[int(name)] * BODY / STEPS
        train = step * cell.settings.steps
        evaluate = 0.0 if tuning else scatter * EXAMPLE * cell.eval_data.examples
        limit = self.clock.overtime
        if train + evaluate > limit:
            self.time += limit
            return False
        self.time += train + evaluate
        examples = 0 if tuning else cell.eval_data.examples
        self.ran.append(Ran(cell, train + evaluate, step, train, evaluate, examples))
        if not (pilot or tuning):
            self.held[name][seed] = self.drawn[int(name), seed, : self.planned.examples]
        return True

    def cell(self, name: str, pilot: bool = False, tuning: bool = False) -> Cell:
        """What `Costs` asks of a cell."""
        early = pilot or not hasattr(self, "planned")
        return cell(name, 32 if early else self.planned.examples, pilot, tuning)

    @property
    def costs(self) -> Costs:
        return Costs(self.ran)

    def body(self, name: str) -> float:
        return self.costs.body(self.cell(name)) or 0.0


@cache
def cell(name: str, examples: int, pilot: bool, tuning: bool) -> Cell:
    """A cell of that many examples; a pilot trains fewer steps."""
    return records.cell(
        f"method-{name}",
        arithmetic=f"method-{name}",
        settings={"steps": 8 if pilot else STEPS},
        eval_data=DataRef(name="", examples=examples, sha256=""),
        pilot=pilot,
        tuning=tuning,
    )


def told(between: Differences, best: str, names: list[str]) -> dict[str, str]:
    """The verdicts on these methods against the best."""
    judged = {name: between.verdict(name, best, MARGIN) for name in names}
    return {name: verdict.word if verdict else "undecided" for name, verdict in judged.items()}


def runs(design: Design, pace: Pace, count: int) -> Iterator[Run]:
    """So many runs, the same ones every time."""
    random = np.random.default_rng(list(repr((design, pace)).encode()))
    for page in pages(design, count):
        yield Run(page, pace, random).go()


def without_race(run: Run) -> dict[str, str]:
    """What is told of the same page where all methods get as many seeds as were planned."""
    seeds, examples = max(1, run.planned.seeds), run.planned.examples
    page = run.drawn[:, :seeds, :examples]
    best = str(page.mean((1, 2)).argmax())
    held = {str(n): dict(enumerate(scores)) for n, scores in enumerate(page)}
    return told(differences(held), best, [n for n in held if n != best])


def truth(design: Design) -> list[float]:
    """By how much each method is worse than the best."""
    losses = [*design.losses, *([0.0] * (design.variants - len(design.losses)))]
    return [loss - min(losses) for loss in losses]


def wrong(run: Run, losses: list[float]) -> bool:
    """Whether a verdict of the last page is false, or one by which a method was given up."""
    best = run.best(run.left)
    for name, word in run.page().items():
        beyond = losses[int(name)] - losses[int(best)]
        lost = name in run.gone
        if word == "worse" and (losses[int(name)] == 0 if lost else beyond <= 0):
            return True
        if word == "as good" and abs(beyond) >= MARGIN:
            return True
    return False


def share(flags: list[bool]) -> str:
    """In percent."""
    return f"{100 * sum(flags) / max(1, len(flags)):.1f}"


def row(name: str, design: Design, pace: Pace, count: int) -> None:
    """A design's line of the table."""
    losses = truth(design)
    every = list(runs(design, pace, count))
    best = [str(n) for n, loss in enumerate(losses) if loss == 0]
    near = [str(n) for n, loss in enumerate(losses) if loss < MARGIN]
    far = [str(n) for n, loss in enumerate(losses) if loss > MARGIN]
    racing, fixed = [], []
    for run in every:
        words, others = run.page(), without_race(run)
        racing += [words.get(n) == "worse" for n in far]
        fixed += [others.get(n) == "worse" for n in far]
    say(
        name,
        share([any(n in run.gone for n in best) for run in every]),
        share([any(n in run.gone for n in near) for run in every]),
        share([wrong(run, losses) for run in every]),
        share(racing) if far else "",
        share(fixed) if far else "",
        f"{np.mean([run.planned.seeds for run in every]):.1f}",
        f"{np.mean([max(map(len, run.held.values())) for run in every]):.1f}",
        f"{np.mean([run.planned.examples for run in every]):.0f}",
    )


def ends(name: str, design: Design, pace: Pace, count: int) -> None:
    """When the runs of a design end, in percent of the budget."""
    every = list(runs(design, pace, count))
    over = np.array([100 * run.time / pace.budget for run in every])
    say(
        name,
        f"{over.mean():.1f}",
        *(f"{np.percentile(over, p):.1f}" for p in (1, 50, 99)),
        f"{over.max():.1f}",
        share(list(over > 110)),
        share([run.time < 0.9 * pace.budget for run in every]),
        share([run.time < 0.9 * pace.budget and not (run.decided or run.full) for run in every]),
    )


def designs() -> dict[str, Design]:
    """What is drawn, by name."""
    seven = Design(7, race.MOST_SEEDS, MOST_EXAMPLES, 0.005)
    first = replace(seven, losses=LADDER)
    return {
        "seven equal": seven,
        "seven equal, luck 0": replace(seven, luck=0.0),
        "seven equal, luck 0.02": replace(seven, luck=0.02),
        "seven equal, luck 0.05": replace(seven, luck=0.05),
        "seven equal, luck 0.02, one unstable": replace(seven, luck=0.02, unstable=3.0),
        "two equal, luck 0.02": replace(seven, variants=2, luck=0.02),
        "two equal, luck 0.02, one unstable": replace(seven, variants=2, luck=0.02, unstable=3.0),
        "twenty equal, luck 0.02": replace(seven, variants=20, luck=0.02),
        "a ladder": first,
        "a ladder, luck 0.02": replace(first, luck=0.02),
        "a ladder, luck 0.05": replace(first, luck=0.05),
        "a ladder, luck 0.02, shared by a seed 0.02": replace(first, luck=0.02, together=0.02),
        "a ladder, luck 0.02, the best unstable": replace(
            first, luck=0.02, unstable=3.0, losses=(0.1, 0.0, 0.08, 0.05, 0.03, 0.02, 0.01)
        ),
        "six worse by 0.01": replace(seven, losses=(0.01,) * 6),
        "six worse by 0.03, luck 0.02": replace(seven, luck=0.02, losses=(0.03,) * 6),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--of", choices=("verdicts", "ends"), help="one of the tables alone")
    chosen = parser.parse_args()
    if chosen.of != "ends":
        verdicts(chosen.runs)
    if chosen.of != "verdicts":
        when(chosen.runs)


def verdicts(count: int) -> None:
    """What is given up and told, by design."""
    gone, seeds = ("best given up", "as good given up"), ("seeds planned", "most seeds")
    say("methods", *gone, "page wrong", "told", "without a race", *seeds, "examples")
    for name, design in designs().items():
        row(name, design, Pace(), count)
    for name, seconds in SHORT.items():
        row(f"{name}, {seconds / 60:.0f} min", designs()[name], Pace(budget=seconds), count)


def when(count: int) -> None:
    """When runs end, by how durations scatter."""
    say("", "mean", "1 %", "50 %", "99 %", "latest", "over 110", "under 90", "of these undecided")
    equal = Design(7, race.MOST_SEEDS, MOST_EXAMPLES, 0.005)
    for name, pace in {
        "cells scatter by 10 %": Pace(),
        "by 30 %": Pace(cells=0.3),
        "by 10 %, twice as slow from some moment on": Pace(slower=2.0),
        "by 10 %, half as slow from then on": Pace(slower=0.5),
    }.items():
        ends(f"seven equal, {name}", equal, pace, count)
        ends(f"a ladder, {name}", replace(equal, losses=LADDER), pace, count)


if __name__ == "__main__":
    main()
