from __future__ import annotations

import random

import pytest

from llmbench.analysis.statistics import interval
from llmbench.analysis.statistics.interval import few_interval, mean_interval, quantile, student_p


def test_an_interval_of_a_mean_holds_the_mean_about_as_often_as_it_says(monkeypatch):
    monkeypatch.setattr(interval, "RESAMPLES", 400)
    draw = random.Random(1)
    held = 0
    for _ in range(300):
        found = mean_interval([draw.betavariate(2, 5) for _ in range(40)])
        held += found.low <= 2 / 7 <= found.high
    assert 0.90 <= held / 300 <= 0.985


def test_an_interval_is_around_the_mean_and_narrows_with_more_values():
    draw = random.Random(2)
    values = [draw.random() for _ in range(400)]
    few, many = mean_interval(values[:25]), mean_interval(values)
    assert few.low < few.estimate < few.high
    assert many.estimate == pytest.approx(sum(values) / 400)
    assert many.high - many.low < (few.high - few.low) / 2


def test_the_same_values_give_the_same_interval():
    values = [0.1, 0.5, 0.9, 0.4]
    assert mean_interval(values) == mean_interval(values)


@pytest.mark.parametrize("values", [[0.5], [0.5, 0.5, 0.5]])
def test_values_without_scatter_have_an_interval_without_width(values):
    found = mean_interval(values)
    assert (found.low, found.estimate, found.high) == (0.5, 0.5, 0.5)


def test_an_interval_of_three_values_is_the_one_of_the_textbook():
    found = few_interval([1.0, 2.0, 3.0])  # 2 and 4.303 standard errors of 1 / sqrt(3)
    assert (found.low, found.high) == pytest.approx((2 - 2.484, 2 + 2.484), abs=0.001)


def test_one_value_has_no_interval():
    assert few_interval([1.0]) is None


def test_student_p_is_the_level_whose_quantile_it_is():
    assert student_p(quantile(4), 4) == pytest.approx(0.05)
    assert student_p(-quantile(4), 4) == pytest.approx(0.05)
