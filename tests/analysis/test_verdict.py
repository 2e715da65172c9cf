from __future__ import annotations

import random

import pytest

from llmbench.analysis.statistics.interval import Interval
from llmbench.analysis.statistics.verdict import holm, judge, verdicts, word


def test_holm_corrects_as_by_hand():
    # Sorted: 0.01 * 4, 0.02 * 3, 0.03 * 2, 0.5 * 1, each at least the one before.
    found = holm({"a": 0.5, "b": 0.01, "c": 0.03, "d": 0.02})
    assert found == pytest.approx({"b": 0.04, "d": 0.06, "c": 0.06, "a": 0.5})


def test_holm_never_goes_beyond_one():
    assert holm({"a": 0.6, "b": 0.9}) == {"a": 1.0, "b": 1.0}


def test_holm_leaves_a_single_value_alone():
    assert holm({"a": 0.03}) == {"a": 0.03}
    assert holm({}) == {}


def test_differences_are_told_where_the_luck_of_training_shows():
    """Trainings of one thing, each with its luck, on so many examples that the luck shows."""
    draw = random.Random(4)

    def differences() -> list[list[float]]:
        luck = [draw.gauss(0, 0.02) for _ in range(3)]
        return [[bias + draw.gauss(0, 0.1) for _ in range(200)] for bias in luck]

    found = [verdicts({"a": judge(differences())})["a"].word for _ in range(100)]
    assert sum(word != "undecided" for word in found) <= 10


WIDE = Interval(0.0, -0.02, 0.02)


@pytest.mark.parametrize(
    ("likely", "found"),
    [
        (Interval(0.0, -0.0099, 0.0099), "as good"),
        (Interval(0.0, -0.01, 0.0099), "undecided"),
        (Interval(0.0, -0.0099, 0.01), "undecided"),
        (None, "undecided"),
    ],
)
def test_the_whole_interval_of_90_percent_must_lie_inside(likely, found):
    assert word(WIDE, likely, 0.01) == found


def test_a_certain_difference_that_is_smaller_than_the_margin_is_as_good():
    certain = Interval(-0.004, -0.006, -0.002)
    assert word(certain, certain, 0.01) == "as good"
    assert word(certain, certain, 0.005) == "worse"
    assert word(certain, certain, None) == "worse"


def test_where_less_is_better_the_lower_one_is_the_better_one():
    assert word(Interval(-0.4, -0.6, -0.2), None, None, sign=-1) == "better"
