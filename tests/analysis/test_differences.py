"""All pairs of a page at once. The whole tables are tests/benchmark/verdicts.py's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmbench.analysis.statistics.differences import differences, quantile
from llmbench.analysis.statistics.interval import quantile as student


def page(variants=7, seeds=3, examples=60, luck=0.01, number=0, losses=()):
    """Scores by variant and seed; the first variants are worse by the losses."""
    draw = np.random.default_rng(number)
    hard = draw.normal(0, 0.2, examples)
    lost = [*losses, *[0.0] * (variants - len(losses))]
    return {
        str(n): {
            s: 0.5 - lost[n] + hard + draw.normal(0, luck) + draw.normal(0, 0.1, examples)
            for s in range(seeds)
        }
        for n in range(variants)
    }


def test_with_two_variants_the_interval_is_student_s():
    assert quantile(0.05, 2, 4) == pytest.approx(student(4))


@pytest.mark.parametrize(("variants", "freedom", "published"), [(3, 10, 3.877), (7, 12, 4.950)])
def test_with_more_variants_it_is_tukey_s(variants, freedom, published):
    """The upper 5 % points of the studentised range, as the tables have them."""
    assert quantile(0.05, variants, freedom) * 2**0.5 == pytest.approx(published, abs=0.002)


def test_two_variants_are_judged_as_by_a_test_of_their_own():
    held = page(2, 3, examples=200, luck=0.05)
    means = [float((held["0"][s] - held["1"][s]).mean()) for s in range(3)]
    margin = student(2) * np.std(means, ddof=1) / 3**0.5
    found = differences(held).interval("0", "1")
    assert found.estimate == pytest.approx(np.mean(means))
    assert margin < found.high - found.estimate < 1.01 * margin


def test_equal_variants_are_told_apart_on_one_page_in_twenty_at_most():
    wrong = 0
    for number in range(200):
        found = differences(page(luck=0.02, number=number))
        best = max(found.index, key=lambda name: found.means[found.index[name], 0])
        others = [name for name in found.index if name != best]
        wrong += any(found.verdict(name, best).word != "undecided" for name in others)
    assert wrong <= 12


def test_the_luck_of_all_variants_tells_what_the_seeds_of_two_cannot():
    pages = [page(luck=0.01, losses=(0.05,), examples=400, number=n) for n in range(30)]
    found = [differences(held) for held in pages]
    assert sum(one.verdict("0", "1").word == "worse" for one in found) >= 22
    alone = quantile(0.05, 7, 2) * 0.01 * (2 / 3) ** 0.5  # with the luck of two of three seeds each
    assert alone > 0.05


def test_a_variant_that_is_less_steady_than_the_others_is_judged_by_its_own_luck():
    held = page(luck=0.002, examples=400)
    shaky = {
        s: row + off for (s, row), off in zip(held["0"].items(), (0.1, -0.1, 0.02), strict=True)
    }
    found = differences(held | {"0": shaky})
    width = {p: found.interval(*p).high - found.interval(*p).low for p in (("0", "1"), ("1", "2"))}
    assert width["0", "1"] > 1.5 * width["1", "2"]


def test_variants_that_score_the_same_count_once():
    held = page(3)
    twice = differences(held | {"copy": held["0"], "another": held["0"]})
    alone = differences(held)
    assert twice.distinct == alone.distinct == 3
    assert twice.interval("0", "1") == alone.interval("0", "1")
    assert twice.verdict("copy", "0", 0.01).word == "as good"


def test_one_seed_decides_nothing_and_its_interval_is_over_the_examples():
    found = differences(page(seeds=1, losses=(0.3,)))
    verdict = found.verdict("0", "1", 0.01)
    assert verdict.word == "undecided"
    assert verdict.difference.high < 0
    assert (found.shrinkage, found.detectable("0", "1")) == (None, None)


def test_each_pair_is_judged_by_the_seeds_that_both_have():
    held = page(4, 3, losses=(0.3,))
    torn = differences(held | {"0": {1: held["0"][1]}, "3": {0: held["3"][0], 7: held["3"][1]}})
    assert torn.verdict("0", "1").word == "undecided"
    assert torn.interval("0", "3") is None
    assert torn.shared("1", "2") == 3
    whole = differences({name: held[name] for name in ("1", "2")})
    assert torn.interval("1", "2").estimate == whole.interval("1", "2").estimate


def test_the_best_of_equal_variants_is_expected_where_all_are():
    chance = np.mean([differences(page(8, luck=0.02, number=n)).shrinkage for n in range(30)])
    assert chance < 0.3
    assert differences(page(8, luck=0.002, losses=(0.2, 0.1))).shrinkage > 0.9


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_removing_seeds_never_decides_a_pair_that_too_few_seeds_were_left_for(data):
    held = page(4, 3, losses=(0.3, 0.1))
    kept = {
        name: {s: rows[s] for s in data.draw(st.sets(st.sampled_from(range(3)), min_size=1))}
        for name, rows in held.items()
    }
    found = differences(kept)
    for one in kept:
        for other in kept.keys() - {one}:
            assert found.shared(one, other) == len(kept[one].keys() & kept[other].keys())
            verdict = found.verdict(one, other, 0.01)
            if found.shared(one, other) < 2:
                assert verdict is None or verdict.word == "undecided"
            else:
                assert verdict.difference.low <= verdict.difference.estimate
