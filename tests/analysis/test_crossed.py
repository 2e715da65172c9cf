"""Means over seeds and examples together. The whole table is tests/benchmark/coverage.py's."""

from __future__ import annotations

import random

import pytest

from llmbench.analysis.statistics.crossed import crossed
from llmbench.analysis.statistics.interval import Interval, few_interval

DRAWS = 400


def width(interval: Interval) -> float:
    return interval.high - interval.low


def drawn(seeds: int, examples: int, seed_effect: float, draw: random.Random) -> list[list[float]]:
    """Scores around 0.4, of examples that are hard or easy in every seed."""
    hardness = [draw.betavariate(2, 3) - 0.4 for _ in range(examples)]
    luck = [draw.gauss(0, seed_effect) for _ in range(seeds)]
    return [[0.4 + s + e + draw.gauss(0, 0.1) for e in hardness] for s in luck]


@pytest.mark.parametrize("seed_effect", [0.0, 0.01, 0.05])
@pytest.mark.parametrize("seeds", [3, 5])
def test_an_interval_holds_the_mean_about_as_often_as_it_says(seeds, seed_effect):
    draw = random.Random(f"{seeds} {seed_effect}")
    found = [crossed(drawn(seeds, 50, seed_effect, draw)).interval(0.05) for _ in range(DRAWS)]
    held = sum(i.low <= 0.4 <= i.high for i in found) / DRAWS
    assert 0.92 <= held <= 0.985


def test_without_a_seed_effect_only_the_examples_widen_the_interval():
    rows = [[0.1, 0.5, 0.9, 0.3]] * 3
    found = crossed(rows)
    assert found.seed_square == found.rest == 0
    assert width(found.interval(0.05)) == pytest.approx(width(crossed(rows[:1]).interval(0.05)))
    assert found.difference(0.05) == found.interval(0.05)


def test_differences_that_only_the_seeds_scatter_are_judged_by_their_means():
    draw = random.Random(8)
    rows = [[luck + draw.gauss(0, 0.1) for _ in range(50)] for luck in (0.02, 0.05, 0.03)]
    means = few_interval([sum(row) / 50 for row in rows])
    found = crossed(rows).difference(0.05)
    assert width(means) < 1.001 * width(found) < 1.1 * width(means)


@pytest.mark.parametrize("luck", [0.0, 0.005, 0.03])
@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_two_of_a_kind_are_told_apart_no_more_often_than_it_says(seeds, luck):
    draw = random.Random(f"{seeds} {luck}")
    told = 0
    for _ in range(DRAWS):
        biases = [draw.gauss(0, luck) for _ in range(seeds)]
        rows = [[bias + draw.gauss(0, 0.1) for _ in range(50)] for bias in biases]
        told += crossed(rows).p_value() < 0.05
    assert told / DRAWS < 0.08


def test_the_p_value_is_the_level_at_which_the_interval_ends_at_zero():
    draw = random.Random(7)
    found = crossed([[s - 0.35 for s in row] for row in drawn(4, 30, 0.02, draw)])
    end = found.difference(found.p_value())
    assert min(abs(end.low), abs(end.high)) == pytest.approx(0, abs=1e-9)


def test_differences_that_are_all_alike_are_certain():
    assert crossed([[0.0, 0.0], [0.0, 0.0]]).p_value() == 1
    assert crossed([[0.1, 0.1], [0.1, 0.1]]).p_value() < 1e-6
