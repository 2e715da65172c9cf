from __future__ import annotations

import random

import pytest

from llmbench.analysis.statistics.interval import Interval
from llmbench.analysis.statistics.verdict import Judged, holm, judge, sign_flip_p, verdicts


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
    assert sum(word != "undecided" for word in found) <= 10
    blind = [verdicts({"a": judge(differences(1))})["a"].word for _ in range(30)]
    assert sum(word != "undecided" for word in blind) > 10


def word(rows: list[list[float]], margin: float | None = 0.01) -> str:
    return verdicts({"a": judge(rows)}, margin)["a"].word


def drawn(mean: float, seeds: int = 3, deviation: float = 0.01) -> list[list[float]]:
    draw = random.Random(5)
    return [[mean + draw.gauss(0, deviation) for _ in range(100)] for _ in range(seeds)]


def test_what_differs_by_clearly_less_than_the_margin_is_as_good():
    assert word(drawn(0.0)) == "as good"
    assert word(drawn(0.0), margin=0.001) == "undecided"


def test_what_may_differ_by_more_than_the_margin_is_undecided_and_not_as_good():
    assert word(drawn(0.009, deviation=0.05)) == "undecided"
    assert word(drawn(0.0, deviation=0.2)) == "undecided"


def test_a_certain_difference_that_is_smaller_than_the_margin_is_as_good():
    certain = drawn(-0.004, deviation=0.003)
    assert verdicts({"a": judge(certain)})["a"].word == "worse"
    assert word(certain) == "as good"
    assert word(drawn(-0.02, deviation=0.003)) == "worse"


def test_one_seed_is_never_as_good_not_even_if_all_is_the_same():
    assert word([[0.0] * 50]) == "undecided"
    assert word(drawn(0.0, seeds=1, deviation=0.0001)) == "undecided"


def test_the_same_predictions_of_several_seeds_are_as_good():
    assert word([[0.0] * 50] * 2) == "as good"


def test_without_a_margin_nothing_is_as_good():
    assert word([[0.0] * 50] * 3, margin=None) == "undecided"


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
    judged = Judged(Interval(0.0, -0.02, 0.02), 0.5, likely)
    assert verdicts({"a": judged}, 0.01)["a"].word == found


def test_what_is_worse_by_the_whole_margin_is_rarely_called_as_good():
    """`benchmark/equivalence.py` measures it; this is a bound far above what it should be."""
    draw = random.Random(6)

    def differences() -> list[list[float]]:
        luck = [draw.gauss(-0.01, 0.005) for _ in range(3)]
        return [[bias + draw.gauss(0, 0.05) for _ in range(100)] for bias in luck]

    assert sum(word(differences()) == "as good" for _ in range(200)) <= 20
