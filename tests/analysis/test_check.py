from __future__ import annotations

import pytest
from records import FIRST_LOSS, cell, comparison, fitted, ok

from llmbench.analysis.checks import first_loss_problems, unchecked
from llmbench.analysis.judging import stand
from llmbench.record.record import Start
from llmbench.wording.notes import notes


def flagged(*records) -> list[str]:
    return sorted(name.partition(".")[0] for name in first_loss_problems(records))


def test_cells_that_start_from_the_base_are_fine():
    assert flagged(ok("base"), ok("full"), ok("lora", first_loss=FIRST_LOSS * 1.005)) == []


@pytest.mark.parametrize("loss", [FIRST_LOSS * 1.02, FIRST_LOSS * 0.98, 522.0])
def test_a_cell_that_starts_elsewhere_is_flagged(loss):
    problems = first_loss_problems([ok("base"), ok("full"), ok("lora", first_loss=loss)])
    assert list(problems) == ["lora.llama.s0"]
    assert f"{FIRST_LOSS:.3f}" in problems["lora.llama.s0"]
    assert "not to be used" in problems["lora.llama.s0"]


@pytest.mark.parametrize(("share", "names"), [(1.1, []), (1.2, ["qlora"])])
def test_quantised_weights_may_be_off_by_more_but_not_by_any_amount(share, names):
    record = ok("qlora", first_loss=FIRST_LOSS * share, quantized=True)
    assert flagged(ok("base"), record) == names


@pytest.mark.parametrize(("loss", "names"), [(0.025, []), (0.04, ["lora"])])
def test_of_a_loss_near_zero_rounding_may_be_a_large_share(loss, names):
    assert flagged(ok("base", first_loss=0.02), ok("lora", first_loss=loss)) == names


def test_without_the_base_nothing_can_be_said():
    assert flagged(ok("lora", first_loss=522.0)) == []
    assert flagged(ok("base", first_loss=None), ok("lora", first_loss=522.0)) == []


def test_a_cell_that_never_got_to_its_first_loss_is_not_flagged():
    assert flagged(ok("base"), ok("lora", first_loss=None)) == []


def test_only_the_base_on_the_same_data_and_seed_counts():
    other = cell("base", seed=1)
    assert flagged(ok("base", cell=other), ok("lora", first_loss=522.0)) == []


def test_a_base_with_other_batches_says_nothing():
    other = cell("base", id="other", settings={"seq_len": 512})
    assert flagged(ok("base", cell=other), ok("lora", first_loss=522.0)) == []


def test_a_cell_that_fills_a_budget_has_another_first_batch_and_is_not_flagged():
    assert flagged(ok("base"), fitted("lora", first_loss=FIRST_LOSS * 2)) == []


def begun(composition, **start):
    """A cell whose losses before training agree but for these."""
    values = {"loaded": FIRST_LOSS, "training": FIRST_LOSS, "step": FIRST_LOSS} | start
    record = ok(composition, first_loss=values.pop("first", FIRST_LOSS))
    first, *rest = record.steps
    steps = (first.model_copy(update={"loss": values.pop("own", values["step"])}), *rest)
    quantized = composition == "qlora"
    update = {"start": Start(**values), "steps": steps, "quantized": quantized}
    return record.model_copy(update=update)


def test_a_quantised_cell_is_held_against_its_own_base_however_much_quantisation_costs():
    worse = 1.196 * FIRST_LOSS
    right = begun("qlora", loaded=worse, training=worse, step=worse, first=worse)
    made = comparison([ok("base"), ok("full"), right])
    assert first_loss_problems(made.records) == {}
    said = [n.text for n in notes(made, stand(made))]
    assert any("Quantisation alone raises" in s and "+19.6 % in `qlora`" in s for s in said)


def test_an_adapter_that_moves_a_quantised_base_is_flagged_though_it_ends_near_the_plain_one():
    moved = begun("qlora", loaded=1.196 * FIRST_LOSS, first=FIRST_LOSS)
    problems = first_loss_problems([ok("base"), moved])
    assert "where that of the quantised base model is 3.827" in problems["qlora.llama.s0"]


def test_a_cell_that_computes_something_else_in_training_mode_alone_is_flagged():
    problems = first_loss_problems([ok("base"), begun("lora", training=4.1, step=4.1)])
    assert "In training mode its first loss is 4.100" in problems["lora.llama.s0"]


@pytest.mark.parametrize(
    ("composition", "share", "names"),
    [("lora", 1.02, ["lora"]), ("qlora", 1.02, []), ("qlora", 1.08, ["qlora"])],
)
def test_quantised_layers_may_train_with_kernels_of_their_own(composition, share, names):
    moved = share * FIRST_LOSS
    assert flagged(ok("base"), begun(composition, training=moved, step=moved)) == names


@pytest.mark.parametrize(
    ("own", "dropout", "names"),
    [
        (FIRST_LOSS, False, []),
        (1.1 * FIRST_LOSS, False, ["lora"]),
        (1.1 * FIRST_LOSS, True, []),
        (1.3 * FIRST_LOSS, True, ["lora"]),
    ],
)
def test_the_first_step_s_own_loss_must_be_that_of_the_same_batches_before(own, dropout, names):
    assert flagged(ok("base"), begun("lora", own=own, dropout=dropout)) == names


def test_a_cell_is_held_against_what_it_loaded_where_the_base_is_missing():
    assert unchecked([begun("lora")]) == []
    assert flagged(begun("lora", first=522.0, training=522.0, step=522.0)) == ["lora"]


def declaring(record, reason):
    """The record as of a strategy that says why it starts elsewhere."""
    member = record.cell.members[0].model_copy(update={"starts_elsewhere": reason})
    made = record.cell.model_copy(update={"members": (member,)})
    return record.model_copy(update={"cell": made})


def test_who_declares_to_start_elsewhere_competes_and_is_named_with_the_reason():
    reason = "Prompts are put before every input."
    record = begun("lora", first=4.4, training=4.4, step=4.4)
    member = record.cell.members[0].model_copy(update={"starts_elsewhere": reason})
    moved = record.model_copy(
        update={"cell": record.cell.model_copy(update={"members": (member,)})}
    )
    made = comparison([ok("base"), ok("full"), moved])
    standing = stand(made)
    assert standing.problems == {}
    assert len(standing.competing) == 2
    assert any(reason in n.text and "first loss 4.400" in n.text for n in notes(made, standing))


def aiming(record):
    """The record as of a strategy that trains on an objective of its own."""
    member = record.cell.members[0].model_copy(update={"objective": "the loss of pairs"})
    made = record.cell.model_copy(update={"members": (member,)})
    return record.model_copy(update={"cell": made})


def test_an_objective_of_ones_own_is_held_against_its_own_loss_alone_and_told():
    aimed = aiming(begun("lora", training=0.69, step=0.69, own=0.693))
    assert flagged(ok("base"), aimed) == []
    assert flagged(ok("base"), aimed.model_copy(update={"first_loss": 9.0})) == ["lora"]
    strayed = aiming(begun("lora", training=0.69, step=0.69, own=2.2))
    assert flagged(ok("base"), strayed) == ["lora"]
    made = comparison([ok("base"), ok("full"), aimed])
    assert any("`lora` trains on the loss of pairs" in n.text for n in notes(made, stand(made)))


def test_who_declares_to_start_elsewhere_must_train_what_it_is_evaluated_as_all_the_same():
    record = begun("lora", first=4.4, training=3.0, step=3.0)
    member = record.cell.members[0].model_copy(update={"starts_elsewhere": "Prompts."})
    moved = record.model_copy(
        update={"cell": record.cell.model_copy(update={"members": (member,)})}
    )
    assert flagged(ok("base"), moved) == ["lora"]
