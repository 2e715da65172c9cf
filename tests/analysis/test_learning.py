"""What cells learnt: the time to quality, and who did not learn, with the likely cause."""

from __future__ import annotations

from typing import Any

import pytest
import records

from llmbench.analysis import learning
from llmbench.analysis.learning import did_not_learn, time_to_quality, times_to_quality, unlearnt
from llmbench.record.record import DataRef, Moved, Record, Validation
from llmbench.record.variant import Variant

BF16 = "bf16-true"


def validations(*points: tuple[int, float, float | None]) -> tuple[Validation, ...]:
    return tuple(
        Validation(step=step, train_seconds=seconds, tokens=100 * step, loss=loss)
        for step, seconds, loss in points
    )


def seen(composition: str, *points: tuple[int, float, float | None], **changes: Any) -> Record:
    """A record with these validations: steps, seconds and losses."""
    return records.ok(composition, validation=validations(*points), **changes)


def course(
    composition: str,
    *losses: float,
    moved: tuple[float, float | None] | None = None,
    precision: str = "fp32",
    seed: int = 0,
    **changes: Any,
) -> Record:
    """A record with these validation losses; what a step moved, and what it meant to."""
    cell = records.cell(composition, seed, settings={"precision": precision}, **changes)
    made = records.validated(records.ok(composition, cell=cell), *losses)
    looked = moved and Moved(step=4, share=moved[0], meant=moved[1])
    return made.model_copy(update={"moved": looked})


# Time to quality.


def test_the_time_to_quality_lies_between_the_validations_around_it() -> None:
    record = seen("lora", (0, 0.0, 3.0), (5, 10.0, 2.0), (10, 30.0, 1.0))
    assert time_to_quality(record, 2.5) == pytest.approx(5.0)
    assert time_to_quality(record, 2.0) == 10.0
    assert time_to_quality(record, 1.25) == pytest.approx(25.0)


def test_it_is_the_first_time_whatever_comes_later() -> None:
    record = seen("lora", (0, 0.0, 3.0), (5, 10.0, 2.0), (10, 20.0, 4.0), (15, 30.0, 1.0))
    assert time_to_quality(record, 2.5) == pytest.approx(5.0)


def test_who_never_got_there_has_none() -> None:
    assert time_to_quality(seen("lora", (0, 0.0, 3.0), (5, 10.0, 2.0)), 1.9) is None
    assert time_to_quality(records.ok("lora"), 1.9) is None


def test_a_loss_that_is_no_number_is_no_way_there() -> None:
    record = seen("lora", (0, 0.0, 3.0), (5, 10.0, None), (10, 20.0, 1.0))
    assert time_to_quality(record, 2.0) == 20.0


def test_deterministic_cells_and_the_base_have_no_time() -> None:
    points = ((0, 0.0, 3.0), (5, 10.0, 1.0))
    slow = records.cell("lora", settings={"deterministic": True})
    assert time_to_quality(seen("lora", *points, cell=slow), 2.0) is None
    assert time_to_quality(seen("base", *points), 2.0) is None


def test_the_target_is_most_of_the_way_to_the_lowest_loss_of_all() -> None:
    made = [course("full", 3.0, 1.5, 2.0), course("lora", 3.0, 2.5, 1.8)]
    assert learning.target(made) == pytest.approx(3.0 - 0.9 * 1.5)


def test_the_way_begins_where_weights_that_are_not_quantised_begin() -> None:
    quantized = course("qlora", 4.0, 2.0).model_copy(update={"quantized": True})
    assert learning.target([course("lora", 3.0, 2.0), quantized]) == pytest.approx(2.1)
    assert learning.target([quantized]) == pytest.approx(4.0 - 0.9 * 2.0)


def test_the_target_is_of_means_over_seeds_and_not_of_a_lucky_one() -> None:
    seeds = [course("full", 3.0, 1.0), course("full", 3.0, 2.0, seed=1)]
    assert learning.target([*seeds, course("lora", 3.0, 1.9)]) == pytest.approx(3.0 - 0.9 * 1.5)


def test_where_nothing_was_learnt_or_validated_there_is_no_target() -> None:
    assert learning.target([course("full", 3.0, 3.1)]) is None
    assert learning.target([records.ok("full")]) is None
    assert learning.target([]) is None


def test_only_what_compares_shares_a_target() -> None:
    other = DataRef(name="other", examples=9, sha256="ab" * 32)
    apart = course("lora", 3.0, 2.6)
    held_out = apart.cell.model_copy(update={"validation_data": other})
    made = [course("full", 3.0, 1.0), apart.model_copy(update={"cell": held_out})]
    assert times_to_quality(made).keys() == {r.cell.id for r in made}
    assert times_to_quality([made[0], apart]).keys() == {made[0].cell.id}


def test_what_only_tries_a_learning_rate_or_is_wrong_sets_no_target() -> None:
    made = [records.ok("base"), course("full", 3.0, 2.0)]
    alone = times_to_quality(made)
    wrong = course("liger", 3.0, 0.1).model_copy(update={"first_loss": 522.0})
    tried = records.tried("lora", 1e-2, 0.1)
    assert alone.keys() == {"full.llama.s0"}
    assert times_to_quality([*made, wrong, tried]) == alone


def test_a_variant_has_a_time_only_if_all_its_seeds_got_there() -> None:
    made = [course("full", 3.0, 1.0), course("full", 3.0, 2.9, seed=1)]
    times = times_to_quality([*made, course("lora", 3.0, 1.9)])
    assert learning.over_seeds(Variant(tuple(made)), times) == []
    assert len(learning.over_seeds(Variant((made[0],)), times)) == 1


# Who did not learn.


def test_a_loss_that_did_not_fall_is_nothing_learnt() -> None:
    found = did_not_learn(course("full", 2.50, 2.48), 0.02)
    assert found
    assert found.cause == (
        "its validation loss went from 2.500 to 2.480, and its learning rate is probably too low"
    )
    assert "--tune" in found.way_out
    assert "higher --learning-rate" in found.way_out
    assert did_not_learn(course("full", 2.50, 2.30), 0.02) is None


def test_updates_that_were_lost_to_rounding_are_told_by_what_a_step_moved() -> None:
    lost = course("full", 2.51, 2.45, moved=(0.03, 0.97), precision=BF16)
    found = did_not_learn(lost, 0.65)
    assert found
    assert found.cause.endswith(
        "its updates were lost to rounding: of its weights a step meant to change 97 %, it "
        "changed 3 %"
    )
    assert found.way_out == "Leave --precision at its default, which keeps them."


def test_who_learns_half_of_what_others_do_and_loses_its_updates_has_not_learnt_its_method() -> (
    None
):
    """As full fine-tuning of SmolLM2-135M at 2e-5 beside LoRA, on an H100."""
    full = course("full", 2.336, 2.002, moved=(0.013, 1.0), precision=BF16)
    lora = course("lora", 2.336, 1.531, moved=(0.875, 1.0), precision=BF16)
    assert set(unlearnt([full, lora])) == {full.cell.id}


def test_what_a_step_meant_to_change_counts_as_all_where_it_does_not_show() -> None:
    found = did_not_learn(course("full", 2.51, 2.45, moved=(0.4, None), precision=BF16), 0.65)
    assert found
    assert "meant to change 100 %, it changed 40 %" in found.cause


def test_few_weights_that_move_are_no_fault_where_few_were_meant_to() -> None:
    held = course("full", 2.51, 2.45, moved=(0.04, 0.05), precision=BF16, rate="tuned")
    assert did_not_learn(held, 0.65) is None


def test_nothing_is_lost_to_rounding_where_the_precision_keeps_it() -> None:
    for precision in ("fp32", "bf16-mixed", "bf16-master", "bf16-stochastic"):
        held = course("full", 2.51, 2.45, moved=(0.03, 0.97), precision=precision)
        found = did_not_learn(held, 0.65)
        assert found
        assert "rounding" not in found.cause


def test_few_weights_that_move_and_little_that_is_learnt_tell_without_any_other_cell() -> None:
    def alone(after: float, share: float) -> bool:
        held = course("full", 2.5, after, moved=(share, 0.97), precision=BF16, rate="tuned")
        return did_not_learn(held, 2.5 - after) is not None

    assert alone(2.4, 0.05)
    assert not alone(2.4, 0.2)
    assert not alone(2.2, 0.05)


def test_a_rate_that_was_not_searched_for_is_to_blame_where_others_learnt_far_more() -> None:
    assert did_not_learn(course("lora", 2.5, 2.4), 0.65)
    assert did_not_learn(course("lora", 2.5, 2.3), 0.65) is None
    assert did_not_learn(course("lora", 2.5, 2.4, rate="given"), 0.65)


@pytest.mark.parametrize("rate", ["tuned", "model"])
def test_who_learns_little_at_its_best_rate_is_ranked(rate: str) -> None:
    assert did_not_learn(course("lora", 2.5, 2.4, rate=rate), 0.65) is None
    found = did_not_learn(course("lora", 2.5, 2.49, rate=rate), 0.65)
    assert found
    assert "searched for" in found.cause
    assert "--steps" in found.way_out


@pytest.mark.parametrize(
    ("losses", "went"),
    [
        ((2.5, 3.1), "from 2.500 to 3.100, and"),
        ((2.5, 2.1, 2.49), "from 2.500 to 2.490 by way of 2.100, and"),
    ],
)
def test_a_loss_that_rises_is_of_a_rate_that_is_too_high(losses: Any, went: str) -> None:
    found = did_not_learn(course("full", *losses), 0.65)
    assert found
    assert f"{went} its learning rate is probably too high" in found.cause
    assert "lower --learning-rate" in found.way_out


def test_a_rise_that_is_noise_says_nothing_of_the_rate() -> None:
    found = did_not_learn(course("full", 2.5, 2.49, 2.505), 0.65)
    assert found
    assert "too low" in found.cause


def test_the_base_and_what_was_not_validated_twice_are_not_judged() -> None:
    assert did_not_learn(course("base", 2.5), 0.65) is None
    assert did_not_learn(course("full", 2.5), 0.65) is None
    assert did_not_learn(records.ok("full"), 0.65) is None
    assert did_not_learn(seen("full", (5, 1.0, 2.5), (10, 2.0, 2.5)), 0.65) is None
    assert did_not_learn(seen("full", (0, 0.0, 2.5), (10, 2.0, None)), 0.65) is None


def test_seeds_are_judged_by_their_mean_and_all_have_the_finding() -> None:
    seeds = [course("full", 2.5, 2.48), course("full", 2.5, 2.46, seed=1)]
    made = [*seeds, course("lora", 2.5, 1.9)]
    assert unlearnt(made).keys() == {r.cell.id for r in seeds}
    kept = [course("full", 2.5, 2.48), course("full", 2.5, 2.1, seed=1)]
    assert unlearnt([*kept, course("lora", 2.5, 1.9)]) == {}


def test_the_best_improvement_is_that_of_cells_that_compare() -> None:
    slow, fast = course("full", 2.5, 2.3), course("lora", 2.5, 1.3)
    assert unlearnt([slow]) == {}
    assert unlearnt([slow, fast]).keys() == {slow.cell.id}
    longer = fast.cell.settings.model_copy(update={"steps": 900})
    other = fast.model_copy(update={"cell": fast.cell.model_copy(update={"settings": longer})})
    assert unlearnt([slow, other]) == {}


def test_who_trains_on_an_objective_of_its_own_is_not_judged_by_the_validation_loss() -> None:
    risen, usual = course("lora", 3.0, 3.5), course("full", 3.0, 2.0)
    member = risen.cell.members[0].model_copy(update={"objective": "the loss of pairs"})
    cell = risen.cell.model_copy(update={"members": (member,)})
    aimed = risen.model_copy(update={"cell": cell})
    assert set(unlearnt([usual, risen])) == {risen.cell.id}
    assert unlearnt([usual, aimed]) == {}
    assert did_not_learn(aimed, 1.0) is None
    assert set(times_to_quality([usual, aimed])) == {usual.cell.id}


def test_what_only_tries_a_learning_rate_is_not_among_them() -> None:
    tried = records.tried("lora", 1e-2, 0.5)
    assert unlearnt([course("full", 2.5, 2.3), tried]) == {}


def test_a_share_that_is_tiny_is_not_nothing() -> None:
    found = did_not_learn(course("full", 2.5, 2.5, moved=(0.0004, 0.97), precision=BF16), 0.6)
    assert found
    assert "it changed 0.04 %" in found.cause
