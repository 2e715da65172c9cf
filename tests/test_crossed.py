"""Means over seeds and examples together. The whole table is tests/benchmark/coverage.py's."""

from __future__ import annotations

import random

import pytest

from llmbench.statistics.crossed import crossed

DRAWS = 400


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


def test_a_bootstrap_of_examples_would_be_far_too_narrow():
    draw = random.Random(5)
    rows = drawn(3, 200, 0.05, draw)
    over_both = crossed(rows).margin(0.05)
    means = [sum(column) / 3 for column in zip(*rows, strict=True)]
    over_examples = crossed([means]).margin(0.05)
    assert over_both > 2 * over_examples


def test_the_components_are_those_that_the_scores_were_made_with():
    draw = random.Random(6)
    found = crossed(drawn(60, 400, 0.05, draw))
    assert found.seed_component == pytest.approx(0.05**2, rel=0.4)
    assert found.example_component == pytest.approx(0.04, rel=0.15)
    assert found.rest == pytest.approx(0.1**2, rel=0.1)


def test_without_a_seed_effect_only_the_examples_widen_the_interval():
    rows = [[0.1, 0.5, 0.9, 0.3]] * 3
    found = crossed(rows)
    assert found.seed_variance == 0
    assert found.margin(0.05) == pytest.approx(crossed(rows[:1]).margin(0.05))


def test_the_p_value_is_the_level_at_which_the_interval_ends_at_zero():
    draw = random.Random(7)
    found = crossed([[s - 0.35 for s in row] for row in drawn(4, 30, 0.02, draw)])
    assert found.margin(found.p_value()) == pytest.approx(abs(found.mean))


def test_differences_that_are_all_alike_are_certain():
    assert crossed([[0.0, 0.0], [0.0, 0.0]]).p_value() == 1
    assert crossed([[0.1, 0.1], [0.1, 0.1]]).p_value() < 1e-6
