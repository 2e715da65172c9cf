from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest
from records import cell, ok

from llmbench.analysis.statistics.rate import (
    LEAST_STEPS,
    generation_interval,
    judge_speed,
    paces,
    rate_interval,
    speeds,
)
from llmbench.record.figure import train_rate
from llmbench.record.record import Record, Step
from llmbench.record.variant import Variant

STEPS = 44


def steps(seconds: Sequence[float], tokens: Sequence[int] | None = None) -> tuple[Step, ...]:
    return tuple(
        Step(
            seconds=s,
            loss=1.0,
            learning_rate=1e-3,
            supervised_tokens=10,
            nonpadding_tokens=100,
            padded_tokens=t,
        )
        for s, t in zip(seconds, tokens or [200] * len(seconds), strict=True)
    )


def of(seconds: Sequence[float], burn_in: int = 1, seed: int = 0, name: str = "lora") -> Record:
    made = cell(name, seed, settings={"burn_in_steps": burn_in})
    return ok(name, cell=made, steps=steps(seconds))


def run(name: str, factor: float, seed: int, drift: float = 0.01, noise: float = 0.02) -> Record:
    """A cell of long and short batches on a machine whose speed drifts, by step and by cell."""
    batches, luck = random.Random(seed), random.Random(f"{name} {seed}")
    whole = luck.gauss(0, drift)
    seconds = [
        factor * batches.uniform(0.5, 1.5) * (1 + whole + luck.gauss(0, noise))
        for _ in range(STEPS)
    ]
    return of(seconds, 4, seed, name)


def variant(name: str, factor: float, seeds: Sequence[int], **noise: float) -> Variant:
    return Variant(tuple(run(name, factor, s, **noise) for s in seeds))


def again(record: Record, factor: float) -> Record:
    """The cell once more, each step so many times as long."""
    slowed = tuple(s.model_copy(update={"seconds": s.seconds * factor}) for s in record.steps)
    made = record.cell.model_copy(update={"id": "again", "repeat": 1})
    return record.model_copy(update={"cell": made, "steps": slowed})


def test_a_rate_is_of_the_measured_steps_alone():
    found = rate_interval(Variant((of([99.0, 1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0]),)))
    assert found.estimate == pytest.approx(87.5)
    assert found.low < 87.5 < found.high


def test_a_rate_of_few_steps_has_no_interval():
    assert rate_interval(Variant((of([1.0] * LEAST_STEPS),))) is None
    assert rate_interval(Variant((of([1.0] * (LEAST_STEPS + 1)),))) is not None


def test_a_rate_over_seeds_is_the_geometric_mean_and_never_below_nothing():
    made = Variant((of([9.0, 1.0, 1.0]), of([9.0, 4.0, 4.0], seed=1)))
    found = rate_interval(made)
    assert found.estimate == pytest.approx(50)  # of 100 and 25
    assert made.mean(train_rate("nonpadding_tokens")) == pytest.approx(50)
    assert 0 < found.low < 25 < 100 < found.high


def test_of_a_deterministic_run_there_is_no_rate():
    made = cell("lora", settings={"deterministic": True})
    slow = Variant((ok("lora", cell=made),))
    assert rate_interval(slow) is None
    assert generation_interval(slow) is None
    assert judge_speed(slow, Variant((of([1.0] * 20),))) is None


@pytest.mark.parametrize(("correlation", "least"), [(0.0, 0.92), (0.6, 0.9), (0.9, 0.88)])
def test_an_interval_of_a_rate_holds_it_though_successive_steps_are_alike(correlation, least):
    held, draws = 0, 200
    for number in range(draws):
        draw, now, seconds = random.Random(number), 0.0, []
        for _ in range(150):
            now = correlation * now + draw.gauss(0, 0.03)
            seconds.append(1 + now)
        found = rate_interval(Variant((of(seconds[50:], 0),)))
        held += found.low <= 100 <= found.high
    assert held / draws >= least


def test_the_verdict_is_on_the_figure_of_the_table():
    one, other = variant("full", 1.1, range(3)), variant("lora", 1.0, range(3))
    found = judge_speed(one, other)
    shown = [a.mean(train_rate("nonpadding_tokens")) for a in (one, other)]
    assert 1 + found.difference.estimate == pytest.approx(shown[0] / shown[1])


def test_a_slower_step_is_told_and_by_how_much():
    slow, plain = variant("full", 1.05, range(5)), variant("lora", 1.0, range(5))
    verdict = speeds([slow, plain]).verdict(slow, plain)
    assert verdict.word == "worse"
    assert verdict.difference.low < 1 / 1.05 - 1 < verdict.difference.high


def test_one_seed_tells_a_large_difference_and_no_small_one():
    plain = variant("lora", 1.0, [0], drift=0.0)
    for factor, word in ((1.2, "worse"), (1.03, "undecided")):
        other = variant("full", factor, [0], drift=0.0)
        assert speeds([other, plain]).verdict(other, plain).word == word


def test_batches_of_many_lengths_do_not_hide_it():
    """They scatter threefold; step by step both variants see the same."""
    found = judge_speed(variant("full", 1.2, [0], drift=0.0), variant("lora", 1.0, [0], drift=0.0))
    assert found.difference.high < 0


@pytest.mark.parametrize("seeds", [1, 3, 5])
def test_equal_speeds_are_told_apart_rarely(seeds):
    told = 0
    for number in range(60):
        held = range(number * seeds, number * seeds + seeds)
        one, other = variant("full", 1.0, held), variant("lora", 1.0, held)
        told += speeds([one, other]).verdict(one, other).word != "undecided"
    assert told <= 6


def test_a_step_that_something_else_held_up_counts_in_the_figure_and_makes_it_unsure():
    plain, held_up = ([1.0, 1.01, 0.99, 1.0] * 11 for _ in range(2))
    held_up[20] = 10.0
    found = judge_speed(Variant((of(plain),)), Variant((of(held_up),)))
    assert found.difference.estimate == pytest.approx(9 / 43, abs=0.01)
    assert not found.difference.beyond_zero


def test_few_steps_that_drift_are_no_reason_to_be_as_fast_as_any():
    drifting = Variant((of([0.75, 0.72, 0.78, 0.76, 0.68, 0.61, 0.57, 0.59, 0.62, 0.57]),))
    others = [Variant((of([0.14, 0.15] * 5, name=f"m{n}"),)) for n in range(20)]
    family = speeds([drifting, *others])
    assert all(family.slower(drifting, other) for other in others)


def test_what_all_variants_scatter_by_makes_a_pair_as_unsure():
    others = [variant(name, 1.0, range(3), drift=0.1) for name in ("qlora", "dora", "vera")]
    one, other = variant("full", 1.05, range(3)), variant("lora", 1.0, range(3))
    alone, beside = speeds([one, other]), speeds([one, other, *others])
    assert alone.spread(one) < beside.spread(one)


def test_no_difference_below_that_of_a_cell_from_its_repeat_is_called_one():
    one, other = variant("full", 1.05, range(5)), variant("lora", 1.0, range(5))
    assert speeds([one, other]).slower(one, other)
    found = speeds([one, other], [again(other.records[0], 1.08)])
    assert found.floor == pytest.approx(math.log(1.08))
    assert found.verdict(one, other).word == "undecided"


def test_a_repeat_that_agrees_makes_a_verdict_surer():
    one, other = variant("full", 1.05, range(2)), variant("lora", 1.0, range(2))
    repeated = speeds([one, other], [again(other.records[0], 1.001)])
    assert repeated.spread(one) < speeds([one, other]).spread(one)


def test_what_cells_differ_by_is_a_guess_where_one_seed_is_all_there_is():
    """Were 2 % known for certain, 6 % between two would be told from none."""
    steady, close, far = ([s] * STEPS for s in (1.0, 1.06, 1.09))
    one, near, other = (Variant((of(s),)) for s in (steady, close, far))
    assert judge_speed(one, near).p_value > 0.05
    assert judge_speed(one, other).difference.beyond_zero


def test_times_are_held_against_each_other_by_what_they_vary_over_seeds():
    full, lora, qlora = (variant(name, 1.0, range(3)) for name in ("full", "lora", "qlora"))
    times = {full: [3.2, 3.3, 3.0], lora: [3.4, 4.3, 5.0], qlora: [9.1, 9.3, 9.2]}
    found = paces({v: dict(enumerate(held)) for v, held in times.items()})
    assert not found.slower(lora, full)
    assert found.slower(qlora, full)
    assert found.slower(qlora, lora)
    assert paces({v: {0: held[0]} for v, held in times.items()}) is None


def test_a_repeat_of_another_cell_says_nothing():
    one, other = variant("full", 1.05, range(2)), variant("lora", 1.0, range(2))
    assert speeds([one, other], [again(of([1.0] * STEPS, name="qlora"), 2.0)]).floor == 0


def test_variants_without_a_seed_in_common_are_not_held_against_each_other():
    one, other = variant("full", 1.5, [0]), variant("lora", 1.0, [1])
    assert judge_speed(one, other) is None


def test_too_few_steps_have_no_verdict_and_nothing_is_slower():
    one, other = Variant((of([1.0] * 6),)), Variant((of([2.0] * 6),))
    found = speeds([one, other])
    assert found.verdict(one, other) is None
    assert not found.slower(other, one)
    assert found.spread(one) is None


def test_a_ratio_beyond_all_numbers_is_a_large_one():
    swift = of([1.0] + [1e-9] * 6)
    slow = of([1.0] + [1e99] * 6)
    found = judge_speed(Variant((swift,)), Variant((slow,)))
    assert found.difference.high > 1e90
