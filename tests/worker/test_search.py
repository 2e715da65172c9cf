from __future__ import annotations

import math

import pytest

from llmbench.worker.trial import NO_MEMORY, largest

FIXED, EACH = 1000, 70


def linear(size: int) -> int:
    """Peaks as micro-batches have them: weights, and activations for each sequence."""
    return FIXED + EACH * size


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 7, 8, 9, 31, 32, 33, 63, 64])
def test_the_largest_size_within_the_budget_is_found(limit):
    found = largest(linear, linear(limit), grain=1, most=64)
    assert found.size == limit


@pytest.mark.parametrize("short", [1, EACH - 1])
def test_a_budget_that_is_missed_by_a_byte_is_missed(short):
    assert largest(linear, linear(12) - short, grain=1, most=64).size == 11


def test_sizes_are_doubled_and_then_bisected():
    found = largest(linear, linear(11), grain=1, most=64)
    assert [size for size, _ in found.tried] == [1, 2, 4, 8, 16, 12, 10, 11]
    assert all(peak == linear(size) for size, peak in found.tried)


@pytest.mark.parametrize("breaks_at", [2, 5, 8, 13, 40])
def test_running_out_of_memory_is_beyond_the_budget(breaks_at):
    found = largest(
        lambda size: None if size >= breaks_at else linear(size), 10**9, grain=1, most=64
    )
    assert found.size == breaks_at - 1
    assert {peak for size, peak in found.tried if size >= breaks_at} == {NO_MEMORY}


@pytest.mark.parametrize("peak", [None, 10**6])
def test_where_the_smallest_does_not_fit_nothing_else_is_tried(peak):
    found = largest(lambda size: peak, 1000, grain=8, most=64)
    assert found.size == 0
    assert found.tried == ((8, NO_MEMORY if peak is None else peak),)


@pytest.mark.parametrize("most", [1, 5, 16, 23])
def test_nothing_beyond_the_most_is_tried(most):
    found = largest(linear, 10**9, grain=1, most=most)
    assert found.size == most == max(size for size, _ in found.tried)


def test_every_size_is_a_multiple_of_the_grain():
    found = largest(lambda size: size * size, 300**2, grain=8, most=1003)
    assert found.size == 296
    assert all(size % 8 == 0 for size, _ in found.tried)
    assert largest(lambda size: 0, 1, grain=8, most=1003).size == 1000


def test_where_not_even_one_grain_is_allowed_nothing_is_tried():
    assert largest(linear, 10**9, grain=8, most=7).tried == ()


@pytest.mark.parametrize("limit", [1, 100, 999, 1024])
def test_no_size_is_tried_twice_and_trials_are_few(limit):
    sizes = [size for size, _ in largest(linear, linear(limit), 1, 1024).tried]
    assert len(sizes) == len(set(sizes)) <= 2 * math.ceil(math.log2(1024)) + 1
