from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from records import cell, ok

from llmbench.analysis.statistics.rate import (
    generation_interval,
    judge_speed,
    rate_interval,
    speed_verdicts,
)
from llmbench.record.arm import Arm
from llmbench.record.record import Record, Step

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


def arm(name: str, factor: float, seeds: Sequence[int], **noise: float) -> Arm:
    return Arm(tuple(run(name, factor, s, **noise) for s in seeds))


def test_a_rate_is_of_the_measured_steps_alone():
    found = rate_interval(Arm((of([99.0, 1.0, 2.0, 1.0, 1.0]),)))
    assert found.estimate == pytest.approx(80)
    assert found.low < 80 < found.high


def test_a_rate_of_one_step_has_no_interval():
    assert rate_interval(Arm((of([1.0, 1.0]),))) is None


def test_a_rate_over_seeds_is_the_mean_of_the_cells_rates():
    found = rate_interval(Arm((of([9.0, 1.0, 1.0]), of([9.0, 2.0, 2.0], seed=1))))
    assert found.estimate == pytest.approx(75)  # of 100 and 50
    assert found.low < 50 < 100 < found.high


def test_of_a_deterministic_run_there_is_no_rate():
    made = cell("lora", settings={"deterministic": True})
    slow = Arm((ok("lora", cell=made),))
    assert rate_interval(slow) is None
    assert generation_interval(slow) is None
    assert judge_speed(slow, slow) is None


def test_an_interval_of_a_rate_holds_it_though_successive_steps_are_alike():
    held, draws = 0, 200
    for number in range(draws):
        draw, now, seconds = random.Random(number), 0.0, []
        for _ in range(200):
            now = 0.7 * now + draw.gauss(0, 0.05)
            seconds.append(1 + now)
        found = rate_interval(Arm((of(seconds, 0),)))
        held += found.low <= 100 <= found.high
    assert held / draws > 0.88  # over single steps it would be about 0.6


def test_a_slower_step_is_told_and_by_how_much():
    slow, plain = arm("full", 1.05, range(5)), arm("lora", 1.0, range(5))
    (verdict,) = speed_verdicts([slow, plain], plain).values()
    assert verdict.word == "worse"
    assert verdict.difference.low < 1 / 1.05 - 1 < verdict.difference.high


def test_batches_of_many_lengths_do_not_hide_it():
    """They scatter threefold; step by step both arms see the same."""
    found = judge_speed(arm("full", 1.05, [0], drift=0.0), arm("lora", 1.0, [0], drift=0.0))
    assert found.difference.high < 0


@pytest.mark.parametrize("seeds", [1, 3, 5])
def test_equal_speeds_are_told_apart_rarely(seeds):
    told = 0
    for number in range(60):
        held = range(number * seeds, number * seeds + seeds)
        one, other = arm("full", 1.0, held, drift=0.005), arm("lora", 1.0, held, drift=0.005)
        told += speed_verdicts([one], other)[one.id].word != "undecided"
    assert told <= 6


def test_a_step_that_something_else_held_up_changes_nothing():
    plain, held_up = ([1.0, 1.01, 0.99, 1.0] * 11 for _ in range(2))
    held_up[20] = 10.0
    found = judge_speed(Arm((of(plain),)), Arm((of(held_up),)))
    assert found.difference.estimate == pytest.approx(0, abs=0.005)
    assert found.p_value > 0.5


def test_steps_of_other_batches_are_not_paired():
    one, other = of([1.0] * 20), of([2.0] * 20)
    moved = other.model_copy(update={"steps": steps([2.0] * 20, [300] * 20)})
    assert judge_speed(Arm((one,)), Arm((moved,))) is None
    assert judge_speed(Arm((one,)), Arm((of([1.0] * 19),))) is None


def test_too_few_steps_have_no_verdict():
    assert judge_speed(Arm((of([1.0] * 5),)), Arm((of([2.0] * 5),))) is None


def test_a_ratio_beyond_all_numbers_is_a_large_one():
    swift = of([1.0, 1e-9, 1e-9, 1e-9, 1.0, 1.0, 1.0])
    slow = of([1.0, 1e99, 1e99, 1e99, 1.0, 1.0, 1.0])
    found = judge_speed(Arm((swift,)), Arm((slow,)))
    assert found.difference.high > 1e300
