"""What a time budget has room for: how long cells take, and what to plan with that.

Steps are never planned: how methods compare depends on how long they train. A budget decides how
often learning rates are tried, on how many examples cells are evaluated, and with how many seeds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from llmbench.analysis import race
from llmbench.analysis.statistics.differences import BORROWED, roughly
from llmbench.config.setup import Setup
from llmbench.record.record import Cell, Record

PLANNED = "planned for --time-budget"
"""Where the value of an option comes from that the budget decided."""
LEAST_EXAMPLES = 20
"""Fewer are not planned: their intervals of quality do not hold (docs/figures.md, section 2)."""
MOST_EXAMPLES = 500
"""More are not planned where nobody asks: seeds tell more by then."""
LEAST_TRIES = 3
"""A lower and a higher learning rate than the best: with fewer there is no search."""
HOPE = 1.25
"""How many times the time that is left two seeds may be expected to need: a pilot's few steps are
slow, and whether there is room is looked at again before the second seed begins."""
SPARE = 0.1
"""The share of what is left of the time that is not planned with: rounds of a race are large, and
one that takes a little longer than expected would leave no room for the last."""
SEARCH_SHARE = 0.5
"""How much of the budget the search for learning rates may take."""
LUCK, MEETING, REST = 1e-4, 0.001, 0.013
"""Variances of the difference of two methods' scores: of a training's luck, of how the methods meet
an example, and of the rest, an example of one training. ROUGE-L of the gallery's pages with three
seeds has 0 to 1.3e-4, 0.0001 to 0.0013 and 0.010 to 0.018. They are for planning alone: every
interval is made of what is measured."""


PILOT_STEPS = 4
"""Steps of the pilot after its burn-in."""


def asked(setup: Setup, name: str) -> bool:
    """Whether the user gave this option."""
    return not setup.resolved.origins[name].startswith(("default", PLANNED))


def at_most(setup: Setup) -> Setup:
    """The setup with as many seeds and examples as a time budget may come to."""
    judged = setup.config.weights == "pretrained"
    if judged and not asked(setup, "seeds"):
        setup = setup.planned(PLANNED, seeds=race.MOST_SEEDS)
    if judged and not asked(setup, "eval_examples"):
        setup = setup.planned(PLANNED, eval_examples=MOST_EXAMPLES)
    return setup


PILOT_EXAMPLES = 32
"""Examples that a pilot evaluates where nobody says how many are generated at a time."""


def for_pilot(setup: Setup) -> Setup:
    """The setup of a cell that only shows how long cells take: few steps, one batch of examples."""
    settings = setup.config.settings
    return setup.planned(
        PLANNED,
        steps=min(settings.steps, settings.burn_in_steps + PILOT_STEPS),
        eval_examples=min(settings.eval_examples, settings.eval_batch_size or PILOT_EXAMPLES),
    )


@dataclass(frozen=True)
class Ran:
    """How long a cell took. Seconds; what it did not do took none."""

    cell: Cell
    seconds: float
    """From its launch to its record."""
    step_seconds: float
    """The median of its steps."""
    train_seconds: float
    evaluate_seconds: float
    examples: int
    """That were evaluated."""
    validations: int = 0
    """Times that the loss was taken on the validation data."""

    @classmethod
    def of(cls, record: Record, seconds: float | None = None) -> Ran:
        """What a record tells; `seconds` where somebody looked at the clock."""
        within = (record.start_seconds or 0.0) + (record.seconds or 0.0)
        train, evaluate = record.phases.get("train"), record.phases.get("evaluate")
        return cls(
            cell=record.cell,
            seconds=within if seconds is None else seconds,
            step_seconds=median(s.seconds for s in record.steps) if record.steps else 0.0,
            train_seconds=train.seconds if train else 0.0,
            evaluate_seconds=evaluate.seconds if evaluate else 0.0,
            examples=len(record.examples) if evaluate else 0,
            validations=len(record.validation),
        )


@dataclass(frozen=True)
class Costs:
    """What cells are expected to take, by those that ran."""

    ran: Sequence[Ran] = ()

    def expected(self, cell: Cell, evaluates: bool = True) -> float | None:
        """Seconds of a cell; None where nothing is known that tells.

        `evaluates` is whether it goes on to be evaluated, as far as its kind is.
        """
        body = self.body(cell)
        if body is None or cell.tuning or cell.repeat or not evaluates:
            return body
        return body + cell.eval_data.examples * (self.per_example(cell) or 0.0)

    def body(self, cell: Cell) -> float | None:
        """Seconds of a cell without its evaluation, by what is most alike."""
        for alike in self._alike(cell):
            if alike:
                return fmean(_body(one, cell) for one in alike)
        return None

    def per_example(self, cell: Cell | None = None) -> float | None:
        """Seconds of an evaluated example: of the cell's own composition where that is known."""
        evaluated = [r for r in self.ran if r.examples]
        own = [r for r in evaluated if cell and r.cell.composition == cell.composition]
        known = own or evaluated
        return fmean(r.evaluate_seconds / r.examples for r in known) if known else None

    def _alike(self, cell: Cell) -> Iterator[list[Ran]]:
        """Those that ran and tell of the cell, the most alike first."""
        trained = [r for r in self.ran if r.cell.trains == cell.trains]
        whole = [r for r in trained if not r.cell.pilot]
        own = [r for r in whole if r.cell.composition == cell.composition]
        yield [r for r in own if _kind(r.cell) == _kind(cell)]
        yield own
        yield [r for r in whole if r.cell.arithmetic == cell.arithmetic]
        yield [r for r in trained if r.cell.composition == cell.composition]
        yield whole
        yield trained
        yield list(self.ran)


def _kind(cell: Cell) -> tuple[bool, bool]:
    return cell.tuning, bool(cell.repeat)


def _body(ran: Ran, cell: Cell) -> float:
    """What a cell takes that is like one that ran, but for its steps and its evaluation."""
    around = ran.seconds - ran.evaluate_seconds
    if not cell.trains:
        return max(0.0, around - ran.train_seconds)
    steps = ran.cell.settings.steps
    further = (cell.settings.steps - steps) * ran.step_seconds
    if ran.validations:
        beside = max(0.0, ran.train_seconds - steps * ran.step_seconds) / ran.validations
        further += (_validations(cell) - ran.validations) * beside
    return around + further


def _validations(cell: Cell) -> int:
    """How often a cell takes the validation loss: before its steps, among them, behind them."""
    return 2 if cell.tuning else 1 + min(cell.settings.validations, cell.settings.steps)


@dataclass(frozen=True)
class Allotment:
    """What is planned for the time that is left."""

    seeds: int
    """That all methods get; 0 where not even one seed of all has room."""
    examples: int


def allot(
    left: float,
    bodies: Sequence[float],
    base: float,
    per_example: float,
    examples: tuple[int, int],
    most_seeds: int,
    level: float,
) -> Allotment:
    """The seeds and examples that tell most in the seconds that are left, of all methods together.

    `bodies` are the seconds of one training of each method, `base` those of the untrained model,
    which is evaluated with one seed alone; `examples` is how many may be evaluated, at least and at
    most. Of all that has room, that is taken which makes the interval of a difference narrowest, at
    the usual variances. One seed tells nothing of methods: two are hoped for where they nearly fit.
    """
    least, most = examples
    methods, each = len(bodies), sum(bodies) + base

    def choices(left: float, counts: Sequence[int]) -> Iterator[Allotment]:
        for seeds in counts:
            room = (left - seeds * each) / max(1e-9, per_example * (seeds * methods + 1))
            if room >= least:
                yield Allotment(seeds, min(most, int(room)))

    several = list(choices((1 - SPARE) * left, range(2, most_seeds + 1)))
    if several:
        return min(several, key=lambda planned: width(planned, methods, level))
    hoped = choices(HOPE * left, range(2, min(2, most_seeds) + 1))
    return next(hoped, None) or next(choices(left, [1]), Allotment(0, least))


def width(planned: Allotment, methods: int, level: float) -> float:
    """Half the interval of a difference between two methods, at the usual variances."""
    seeds, examples = planned.seeds, planned.examples
    if seeds < 2:
        return math.inf
    luck = roughly(level, methods, BORROWED * (seeds - 1)) ** 2 * (LUCK + REST / examples) / seeds
    met = roughly(level, methods, max(1, examples - 1)) ** 2 * MEETING / examples
    return math.sqrt(luck + met)


def tries(left: float, one_of_each: float, wanted: int, insists: bool) -> int:
    """How many learning rates to try of each arithmetic; 0 where too few have room.

    `one_of_each` are the seconds of a try of every arithmetic; `insists` whether a search is asked
    for, whatever it takes.
    """
    room = int(SEARCH_SHARE * left / one_of_each) if one_of_each else wanted
    if room < LEAST_TRIES:
        return LEAST_TRIES if insists else 0
    return min(wanted, room)


def together(seconds: Sequence[float], jobs: int) -> float:
    """Seconds of so many cells, where `jobs` run at once."""
    return max(sum(seconds) / jobs, max(seconds, default=0.0))
