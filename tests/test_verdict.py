from __future__ import annotations

import random

import pytest

from llmbench.statistics.verdict import holm, judge, sign_flip_p, verdicts


def test_holm_corrects_as_by_hand():
    # Sorted: 0.01 * 4, 0.02 * 3, 0.03 * 2, 0.5 * 1, each at least the one before.
    found = holm({"a": 0.5, "b": 0.01, "c": 0.03, "d": 0.02})
    assert found == pytest.approx({"b": 0.04, "d": 0.06, "c": 0.06, "a": 0.5})


def test_holm_never_goes_beyond_one():
    assert holm({"a": 0.6, "b": 0.9}) == {"a": 1.0, "b": 1.0}


def test_holm_leaves_a_single_value_alone():
    assert holm({"a": 0.03}) == {"a": 0.03}
    assert holm({}) == {}


def test_no_difference_has_a_p_value_of_one():
    assert sign_flip_p([0.0, 0.0]) == 1.0


def test_a_p_value_is_the_share_of_sign_flips_as_extreme():
    # Of the 2**5 sign flips of five equal differences, two are as extreme: p = 1/16.
    assert sign_flip_p([1.0] * 5) == pytest.approx(1 / 16, abs=0.015)


def test_a_p_value_does_not_depend_on_the_direction():
    values = [0.3, -0.1, 0.4, 0.2, -0.05, 0.6]
    assert sign_flip_p(values) == sign_flip_p([-v for v in values])


def test_a_clear_difference_is_never_of_probability_zero():
    assert 0 < sign_flip_p([1.0] * 200) < 0.001


def test_chance_is_called_significant_about_as_rarely_as_it_should():
    draw = random.Random(3)
    found = [sign_flip_p([draw.gauss(0, 1) for _ in range(20)]) for _ in range(200)]
    assert sum(p < 0.05 for p in found) / 200 < 0.1


def test_the_luck_of_training_is_no_difference_where_there_are_seeds_to_see_it():
    """Trainings of one thing, each with its luck, on so many examples that the luck shows."""
    draw = random.Random(4)

    def differences(seeds: int) -> list[list[float]]:
        luck = [draw.gauss(0, 0.02) for _ in range(seeds)]
        return [[bias + draw.gauss(0, 0.1) for _ in range(200)] for bias in luck]

    found = [verdicts({"a": judge(differences(3))})["a"].word for _ in range(100)]
    assert sum(word != "not distinguishable" for word in found) <= 10
    blind = [verdicts({"a": judge(differences(1))})["a"].word for _ in range(30)]
    assert sum(word != "not distinguishable" for word in blind) > 10
