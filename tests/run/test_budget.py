"""What a time budget has room for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import cell, ok

from llmbench.record.record import DataRef
from llmbench.run import budget, clock
from llmbench.run.budget import HOPE, Allotment, Costs, Ran
from llmbench.run.clock import Clock


def ran(composition, seconds=20.0, train=10.0, evaluate=6.0, examples=30, **changes):
    step = train / 20 if train else 0.0
    return Ran(cell(composition, **changes), seconds, step, train, evaluate, examples)


def of(composition, examples=30, **changes):
    data = DataRef(name="eval.jsonl", examples=examples, sha256="")
    return cell(composition, eval_data=data, **changes)


def test_a_record_tells_how_long_its_cell_took():
    told = Ran.of(ok("lora"))
    assert told.seconds == 60.4
    assert (told.train_seconds, told.evaluate_seconds, told.examples) == (8.0, 4.8, 24)
    assert told.step_seconds == pytest.approx(0.43, abs=0.05)
    assert Ran.of(ok("lora"), 70.0).seconds == 70.0


def test_a_cell_takes_what_one_of_its_kind_took():
    costs = Costs([ran("lora"), ran("full", 50.0, 40.0)])
    assert costs.expected(of("lora")) == 20.0
    assert costs.expected(of("lora", examples=60)) == 26.0
    assert costs.expected(of("full")) == 50.0
    assert costs.expected(of("lora", tuning=True)) == 14.0
    assert Costs().expected(of("lora")) is None


def test_of_a_method_that_never_ran_the_others_tell():
    costs = Costs([ran("lora"), ran("full", 50.0, 40.0)])
    assert costs.expected(of("qlora")) == pytest.approx((20 + 50) / 2)
    shared = ran("lora", 30.0, arithmetic="lora", tuning=True, evaluate=0.0, examples=0)
    told = Costs([shared, ran("full", 50.0, 40.0)])
    assert told.expected(of("lora+flash-attention", arithmetic="lora")) == pytest.approx(30 + 6)


def test_a_pilot_of_few_steps_tells_of_many():
    pilot = ran("lora", 12.0, 4.0, 6.0, settings={"steps": 8}, pilot=True)
    costs = Costs([pilot])
    assert costs.expected(of("lora", tuning=True)) == pytest.approx(6.0 + 12 * 0.2)
    assert costs.expected(of("base"), evaluates=False) == pytest.approx(2.0)
    assert costs.expected(of("base")) == pytest.approx(8.0)


def test_a_second_seed_is_hoped_for_where_it_nearly_fits():
    needed = 2 * 53 + 20 * 0.1 * 11
    assert room(needed / 0.9 + 1).seeds == 2
    assert room(needed / 1.2).seeds == 2
    assert room(needed / 1.3).seeds == 1
    assert room(needed / 1.2, most=1).seeds == 1


def room(left=1000.0, methods=5, examples=(20, 500), most=12, body=10.0, each=0.1):
    return budget.allot(left, [body] * methods, 3.0, each, examples, most, 0.03)


def test_a_try_tells_what_the_validations_of_a_result_take():
    """Two of its own took 2 s beside its steps; a result has seven."""
    tried = Ran(cell("lora", tuning=True), 14.0, 0.5, 12.0, 0.0, 0, validations=2)
    assert Costs([tried]).expected(of("lora", tuning=True)) == 14.0
    assert Costs([tried]).body(of("lora")) == pytest.approx(14.0 + 5 * 1.0)


def test_more_time_is_never_planned_for_less():
    plans = [room(left) for left in (60.0, 150.0, 400.0, 1000.0, 4000.0)]
    assert [p.seeds for p in plans] == sorted(p.seeds for p in plans)
    widths = [budget.width(p, 5, 0.03) for p in plans if p.seeds > 1]
    assert widths == sorted(widths, reverse=True)
    assert room(10.0) == Allotment(0, 20)


def test_two_seeds_of_few_examples_come_before_one_of_many():
    assert room(130.0).seeds == 2


def test_what_was_asked_for_is_kept():
    assert room(examples=(100, 100)).examples == 100
    assert room(most=3).seeds <= 3


@given(
    left=st.floats(1, 1e5),
    methods=st.integers(1, 20),
    body=st.floats(0.1, 1e3),
    each=st.floats(1e-4, 10),
    most=st.integers(1, 12),
)
def test_what_is_planned_has_room(left, methods, body, each, most):
    planned = room(left, methods, (20, 500), most, body, each)
    took = planned.seeds * (methods * body + 3.0)
    took += planned.examples * each * (planned.seeds * methods + 1)
    assert planned.seeds == 0 or took <= left * (HOPE if planned.seeds == 2 else 1.0001)
    assert 20 <= planned.examples <= 500
    assert planned.seeds <= most


@pytest.mark.parametrize(
    ("left", "insists", "count"),
    [(1000.0, False, 5), (420.0, False, 4), (300.0, False, 3), (290.0, False, 0), (10.0, True, 3)],
)
def test_tries_have_half_of_the_time(left, insists, count):
    assert budget.tries(left, 50.0, 5, insists) == count


def test_cells_that_run_at_once_share_the_time():
    assert budget.together([10.0, 10.0, 10.0], 1) == 30.0
    assert budget.together([10.0, 10.0, 10.0], 2) == 15.0
    assert budget.together([10.0, 40.0], 4) == 40.0
    assert budget.together([], 2) == 0.0


def test_a_clock_goes_on_from_what_was_spent_before(monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: 150.0)
    running = Clock(seconds=100.0, began=140.0, before=80.0)
    assert (running.spent, running.left) == (90.0, 10.0)
    assert running.has_room(14.0)
    assert not running.has_room(16.0)
    assert running.overtime == pytest.approx(10.0 + 100 * clock.OVERTIME)
    assert clock.SLACK < clock.OVERTIME < 0.1


def test_examples_that_nobody_evaluated_cost_nothing_known():
    assert Costs([ran("lora", examples=0, evaluate=0.0)]).per_example() is None
