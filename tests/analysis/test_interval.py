from __future__ import annotations

import pytest

from llmbench.analysis.statistics.interval import few_interval, quantile, student_p


def test_an_interval_of_three_values_is_the_one_of_the_textbook():
    found = few_interval([1.0, 2.0, 3.0])  # 2 and 4.303 standard errors of 1 / sqrt(3)
    assert (found.low, found.high) == pytest.approx((2 - 2.484, 2 + 2.484), abs=0.001)


def test_one_value_has_no_interval():
    assert few_interval([1.0]) is None


def test_student_p_is_the_level_whose_quantile_it_is():
    assert student_p(quantile(4), 4) == pytest.approx(0.05)
    assert student_p(-quantile(4), 4) == pytest.approx(0.05)
