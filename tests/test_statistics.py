from __future__ import annotations

import random

import pytest
from records import cell, ok

from llmbench import statistics
from llmbench.record import Example, Step
from llmbench.statistics import holm, mean_interval, quality_verdicts, sign_flip_p

WOBBLE = (0.80, 0.82, 0.79, 0.78, 0.81)
"""Shares of their old time that steps take; about 0.8, so that the rate grows by a quarter."""


def scored(composition: str, scores: dict[str, float]):
    examples = tuple(
        Example(id=i, references=("x",), prediction="x", new_tokens=1, scores={"rougeL": s})
        for i, s in scores.items()
    )
    return ok(composition, examples=examples)


def test_an_interval_of_a_mean_holds_the_mean_about_as_often_as_it_says(monkeypatch):
    monkeypatch.setattr(statistics, "RESAMPLES", 400)
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


def test_no_scores_have_no_interval():
    assert statistics.quality_interval(ok("lora", quality=None), "rougeL") is None
    assert statistics.quality_interval(ok("lora"), "no-such-score") is None


def steps(*seconds: float) -> tuple[Step, ...]:
    return tuple(
        Step(
            seconds=s,
            loss=1.0,
            learning_rate=1e-3,
            supervised_tokens=10,
            nonpadding_tokens=100,
            padded_tokens=200,
        )
        for s in seconds
    )


def test_a_rate_is_of_the_measured_steps_alone():
    made = cell("lora", settings={"burn_in_steps": 1})
    found = statistics.rate_interval(ok("lora", cell=made, steps=steps(99.0, 1.0, 2.0, 1.0, 1.0)))
    assert found.estimate == pytest.approx(80)
    assert 50 <= found.low < 80 < found.high <= 100


def test_a_rate_of_one_step_has_no_interval():
    made = cell("lora", settings={"burn_in_steps": 1})
    assert statistics.rate_interval(ok("lora", cell=made, steps=steps(1.0, 1.0))) is None


def test_a_change_of_rate_is_in_percent_and_pairs_the_steps():
    made = cell("lora", settings={"burn_in_steps": 1})
    times = (2.0, 1.0, 3.0, 1.5, 2.5)
    old = ok("lora", cell=made, steps=steps(99.0, *times))
    later = (t * share for t, share in zip(times, WOBBLE, strict=True))
    new = ok("full", cell=made, steps=steps(1.0, *later))
    found = statistics.rate_change([new], [old])
    assert found.low < found.estimate < found.high
    assert found.estimate == pytest.approx(25, abs=2)
    # Steps scatter threefold, and each pair by a few percent only.
    assert found.high - found.low < 8


def test_a_change_of_rate_of_one_step_has_no_interval():
    made = cell("lora", settings={"burn_in_steps": 1})
    one = ok("lora", cell=made, steps=steps(1.0, 1.0))
    assert statistics.rate_change([one], [one]) is None
    assert statistics.rate_change([], []) is None


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


def test_differences_are_taken_example_by_example():
    one = scored("lora", {"a": 0.5, "b": 0.25, "only-here": 0.9})
    other = scored("full", {"b": 0.75, "a": 0.25, "only-there": 0.1})
    assert statistics.paired_differences(one, other, "rougeL") == [0.25, -0.5]


def cells_of(verdicts):
    return {name.partition(".")[0]: v.word for name, v in verdicts.items()}


def test_verdicts_tell_better_from_worse_from_chance():
    draw = random.Random(4)
    full = {str(i): draw.uniform(0.3, 0.6) for i in range(60)}
    records = [
        scored("full", full),
        scored("lora", {i: s + 0.1 + draw.gauss(0, 0.02) for i, s in full.items()}),
        scored("qlora", {i: s - 0.1 + draw.gauss(0, 0.02) for i, s in full.items()}),
        scored("base", {i: s + draw.gauss(0, 0.1) for i, s in full.items()}),
    ]
    assert cells_of(quality_verdicts(records, records[0], "rougeL")) == {
        "lora": "better",
        "qlora": "worse",
        "base": "not distinguishable",
    }


def test_a_verdict_carries_the_difference_and_its_corrected_p_value():
    full = {str(i): 0.5 for i in range(30)}
    records = [
        scored("full", full),
        scored("lora", {i: s + (0.1 if int(i) % 3 else 0.2) for i, s in full.items()}),
        scored("qlora", full),
    ]
    verdict = quality_verdicts(records, records[0], "rougeL")["lora.llama.s0"]
    assert verdict.difference.estimate == pytest.approx(0.4 / 3)
    assert verdict.difference.low > 0
    assert verdict.p_value == pytest.approx(2 * sign_flip_p([0.1] * 20 + [0.2] * 10))


def test_a_cell_without_scores_gets_no_verdict():
    reference = scored("full", {"a": 0.5, "b": 0.6})
    assert quality_verdicts([reference, ok("lora", quality=None)], reference, "rougeL") == {}


def test_with_few_examples_nothing_is_distinguishable():
    reference = scored("full", {"a": 0.1, "b": 0.1, "c": 0.1})
    other = scored("lora", {"a": 0.9, "b": 0.8, "c": 0.9})
    assert cells_of(quality_verdicts([reference, other], reference, "rougeL")) == {
        "lora": "not distinguishable"
    }
