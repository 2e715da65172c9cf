from __future__ import annotations

import math
import random

import pytest

from llmbench.analysis.statistics.need import need
from llmbench.analysis.statistics.verdict import sign_flip_p


def drawn(seeds: int, examples: int, luck: float, seed: int, mean: float = 0.0):
    draw = random.Random(seed)
    biases = [draw.gauss(0, luck) for _ in range(seeds)]
    return [[mean + bias + draw.gauss(0, 0.1) for _ in range(examples)] for bias in biases]


def test_the_examples_of_one_seed_are_those_of_the_textbook():
    rows = [[0.1, -0.1] * 50]
    found = need(rows, 0.01)
    # (1.96 + 0.84)^2 standard deviations of 0.1 squared, over 0.01 squared
    assert found.more_examples == pytest.approx(785, rel=0.04)
    assert found.more_seeds is None


def test_so_many_examples_tell_the_difference_with_the_power_that_was_asked_for():
    found = need(drawn(1, 100, 0.0, 1), 0.02)
    draws = range(100)
    told = [sign_flip_p(drawn(1, found.more_examples, 0.0, n, 0.02)[0]) < 0.05 for n in draws]
    assert sum(told) / 100 == pytest.approx(0.8, abs=0.12)


def test_no_number_of_examples_sees_past_the_luck_of_training():
    found = need(drawn(3, 200, 0.05, 2), 0.01)
    assert found.more_examples is None


def test_more_seeds_see_past_it():
    found = need(drawn(8, 300, 0.01, 3), 0.02)
    assert 8 <= found.more_seeds < 20
    assert found.seeds == 8


def test_what_is_there_is_never_more_than_it_takes():
    found = need(drawn(1, 50, 0.0, 4), 0.5)
    assert found.met
    assert found.more_examples == found.examples == 50


def test_differences_that_are_all_zero_need_nothing():
    found = need([[0.0] * 10], 0.01)
    assert found.met
    assert math.isfinite(found.difference)
