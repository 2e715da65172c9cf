from __future__ import annotations

import numpy as np
import pytest

from llmbench.analysis.statistics.differences import differences, need


def drawn(seeds: int, luck: float, mean: float = 0.0, number: int = 1, examples: int = 400):
    """Two variants, one of which is better by the mean."""
    draw = np.random.default_rng(number)
    made = {
        name: {
            s: 0.4 + off + draw.normal(0, luck) + draw.normal(0, 0.1, examples)
            for s in range(seeds)
        }
        for name, off in (("a", 0.0), ("b", mean))
    }
    return differences(made)


def test_one_seed_needs_no_examples_as_they_would_tell_nothing():
    assert need(drawn(1, 0.0), "a", "b", 0.01) is None


def test_what_can_be_told_is_told_four_times_in_five():
    detectable = np.mean(
        [need(drawn(5, 0.01, 0.0, n), "a", "b", 0.01).detectable for n in range(20)]
    )
    pages = [drawn(5, 0.01, float(detectable), n) for n in range(200)]
    told = sum(page.verdict("b", "a").word == "better" for page in pages)
    assert told / 200 == pytest.approx(0.8, abs=0.12)


def test_more_seeds_tell_a_smaller_difference():
    found = need(drawn(4, 0.03, number=2), "a", "b", 0.03)
    assert found.difference >= 0.03
    assert found.wanted > found.seeds == 4
    assert found.detectable > found.difference


def test_no_number_of_seeds_tells_what_is_too_small():
    draw = np.random.default_rng(3)
    hard = draw.normal(0, 0.3, 10)  # the variants meet ten examples each in its own way
    rows = {s: 0.5 + draw.normal(0, 0.001, 10) for s in range(3)}
    held = differences({"a": rows, "b": {s: row + hard for s, row in rows.items()}})
    assert need(held, "a", "b", 0.01).wanted is None


def test_a_difference_that_is_large_enough_needs_no_more():
    found = need(drawn(5, 0.001), "a", "b", 0.5)
    assert found.met
    assert found.wanted == 5
