from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from records import cell, ok

from llmbench.analysis import steadiness
from llmbench.record.record import Conditions, Memory, PhaseRecord, Step

STEADY = [1.0] * 40


def steps(seconds: Sequence[float], tokens: Sequence[int] | None = None) -> tuple[Step, ...]:
    return tuple(
        Step(
            seconds=s,
            loss=1.0,
            learning_rate=1e-3,
            supervised_tokens=1,
            nonpadding_tokens=1,
            padded_tokens=t,
        )
        for s, t in zip(seconds, tokens or [4096] * len(seconds), strict=True)
    )


def marks(
    seconds: Sequence[float], tokens: Sequence[int] | None = None, **seen
) -> tuple[steadiness.Mark, ...]:
    conditions = Conditions(samples=3, **seen) if seen else None
    phases = {"train": PhaseRecord(seconds=9, memory=Memory(), conditions=conditions)}
    made = cell("lora", settings={"burn_in_steps": 0})
    return steadiness.marks(ok("lora", cell=made, steps=steps(seconds, tokens), phases=phases))


def noise(share: float, count: int = 40) -> list[float]:
    source = random.Random(0)
    return [1 + share * source.gauss(0, 1) for _ in range(count)]


def test_steady_steps_have_no_mark():
    assert marks(STEADY) == ()
    assert marks(noise(0.03)) == ()


def test_steps_that_scatter_are_marked_and_more_of_them_advised():
    (mark,) = marks(noise(0.3))
    assert "vary by" in mark.what
    assert mark.cause == "More steps (--steps) make the speed more certain."


def test_a_few_steps_that_were_held_up_are_said_with_the_time_they_took():
    (mark,) = marks([1.0] * 37 + [9.0] * 3)
    assert mark.what == "was held up in 3 of 40 steps, which took 38 % of its time"
    assert marks([1.0] * 79 + [3.5]) == (), "it lost 3 %"


@pytest.mark.parametrize(("end", "word"), [(1.2, "slower"), (0.8, "faster")])
def test_steps_that_drift_are_marked_with_the_way_they_go(end, word):
    times = [1 + (end - 1) * n / 39 + x - 1 for n, x in enumerate(noise(0.01))]
    (mark,) = marks(times)
    assert f"became {word} by " in mark.what
    assert "--burn-in-steps" in mark.cause


def test_a_large_drift_is_said_as_a_factor():
    mark = marks([1 + n / 10 for n in range(40)])[0]
    assert mark.what == "took 3.1 times as long for a step at the end as at the beginning"


def test_a_drift_that_may_be_chance_is_none():
    assert all("grew" not in m.what for m in marks(noise(0.2, 12)))


def test_a_first_step_that_is_slow_is_still_warming_up():
    (mark,) = marks([2.0, 1.1, *STEADY])
    assert mark.what == "was still warming up: its first measured step took 2.0 times as long"
    assert "--burn-in-steps" in mark.cause


def test_a_first_step_within_the_scatter_is_none():
    assert all("warming" not in m.what for m in marks([1.5, *noise(0.3)]))


def test_too_few_steps_tell_nothing():
    assert marks([1.0, 2.0, 1.0, 3.0, 1.0, 2.0, 5.0]) == ()
    assert marks([]) == ()


def test_longer_batches_may_take_longer():
    tokens = [1000 + 100 * (n % 20) for n in range(40)]
    assert marks([t / 1000 for t in tokens], tokens) == ()


def test_a_step_that_takes_as_long_whatever_its_length_is_steady():
    assert marks(STEADY, [1000 + 100 * (n % 20) for n in range(40)]) == ()


def test_the_burn_in_is_not_judged():
    made = cell("lora", settings={"burn_in_steps": 4})
    assert steadiness.marks(ok("lora", cell=made, steps=steps([9.0] * 4 + STEADY))) == ()


def test_a_deterministic_cell_has_no_speed_to_be_read_with_care():
    made = cell("lora", settings={"burn_in_steps": 0, "deterministic": True})
    assert steadiness.marks(ok("lora", cell=made, steps=steps(noise(0.3)))) == ()


def test_the_cause_is_what_the_gpu_went_through():
    (mark,) = marks(
        noise(0.3),
        clock_mhz=(1200, 1700, 1980),
        throttle_reasons=("hardware thermal slowdown",),
        other_processes=2,
    )
    assert mark.cause == (
        "Other processes held memory on the GPU; the GPU's clock fell from 1,980 to 1,200 MHz; "
        "the GPU was held down (hardware thermal slowdown). "
        "More steps (--steps) make the speed more certain."
    )


def test_a_steady_cell_on_a_throttled_gpu_is_no_cause_for_a_mark():
    assert marks(STEADY, clock_mhz=(1200, 1700, 1980), throttle_reasons=("sync boost",)) == ()


def test_a_cell_that_shared_its_gpu_is_marked_however_steady():
    (mark,) = marks(STEADY, other_processes=1)
    assert mark[:2] == ("did not have the GPU to itself", "Another process held memory on the GPU.")


def test_the_spread_is_a_normals_standard_deviation():
    assert steadiness.spread(noise(0.1, 4001)) == pytest.approx(0.1, rel=0.05)


def test_the_drift_is_the_change_from_the_first_to_the_last():
    assert steadiness.drift([1 + 0.1 * n / 39 for n in range(40)]) == pytest.approx(0.1 / 1.05)


def test_long_series_are_thinned_and_keep_their_drift():
    times = [1 + 0.2 * n / 9999 + x - 1 for n, x in enumerate(noise(0.02, 10_000))]
    assert len(steadiness.thin(times)) == steadiness.MOST_POINTS
    assert steadiness.drift(times) == pytest.approx(0.2 / 1.1, rel=0.05)
