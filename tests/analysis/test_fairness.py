from __future__ import annotations

from typing import Any

import pytest
from records import cell, ok

from llmbench.analysis import fairness
from llmbench.record.record import Budget, Cell, Member, Record

SEEN = {
    "base_weights": "bfloat16",
    "trained_weights": "bfloat16",
    "micro_batch": "4",
    "padding": "8.0%",
    "gradient_checkpointing": "off",
    "attention": "sdpa",
    "optimizer_states": "bfloat16",
}


def made(name: str, *groups: str, **changes: Any) -> Cell:
    """A cell of one strategy that decides these groups."""
    member = Member(
        id=name, options={}, distribution="", group=groups[0], also_claims=tuple(groups[1:])
    )
    return cell(name, members=(member,), **changes)


def ran(of: Cell, *, quantized: bool = False, **seen: str) -> Record:
    record = ok("x", cell=of, effective=SEEN | seen, attention_kernels=("flash",))
    return record.model_copy(update={"quantized": quantized})


def found(*records: Record) -> dict[str, dict[str, list[str]]]:
    return {
        d.name: {v: list(cells) for v, cells in d.values.items()} for d in fairness.unfair(records)
    }


FULL = made("full", "adaptation", "quantization")
LORA = made("lora", "adaptation")


def test_cells_that_are_alike_have_nothing_to_be_told():
    assert found(ran(FULL), ran(LORA)) == {}


@pytest.mark.parametrize("name", ["micro_batch", "padding", "trained_weights", "base_weights"])
def test_what_nobody_declares_is_found_with_the_cells_that_hold_it(name):
    records = ran(FULL), ran(LORA, **{name: "other"})
    expected = {SEEN[name]: ["`full`"], "other": ["`lora`"]}
    assert found(*records) == {fairness.TRAITS[name].label: expected}


@pytest.mark.parametrize(
    ("group", "name"),
    [
        ("attention", "attention"),
        ("memory", "gradient_checkpointing"),
        ("optimizer", "optimizer_states"),
    ],
)
def test_who_declares_it_may_change_it_and_nobody_else(group, name):
    declaring, silent = made("new", group), made("new", "adaptation")
    assert found(ran(FULL), ran(LORA), ran(declaring, **{name: "other"})) == {}
    assert found(ran(FULL), ran(LORA), ran(silent, **{name: "other"})) != {}


def test_a_kernel_that_ran_unasked_is_found():
    slow = ran(LORA).model_copy(update={"attention_kernels": ("math",)})
    assert found(ran(FULL), slow) == {
        "the attention kernels that ran": {"flash": ["`full`"], "math": ["`lora`"]}
    }
    eager = ran(made("eager-attention", "attention"))
    assert found(ran(FULL), eager.model_copy(update={"attention_kernels": ("eager",)})) == {}


def test_a_setting_that_is_declared_may_differ_and_one_that_is_not_may_not():
    paged = {"optimizer": "paged-adamw-32bit"}
    declaring = ran(made("qlora", "adaptation", declared=paged), optimizer_states="float32")
    declaring = declaring.model_copy(update={"optimizer": "PagedAdamW"})
    assert found(ran(FULL), declaring) == {}
    silent = ran(LORA).model_copy(update={"optimizer": "PagedAdamW"})
    assert list(found(ran(FULL), silent)) == ["the optimiser that ran"]


def test_deciding_the_quantisation_is_no_leave_to_change_weights_that_are_not_quantised():
    packed = ran(made("4-bit", "quantization"), quantized=True, base_weights="nf4")
    assert found(ran(FULL), ran(LORA), packed) == {}
    assert found(ran(FULL, base_weights="float32"), ran(LORA)) != {}


def test_seeds_order_the_data_and_may_differ_in_padding():
    other = made("lora", "adaptation", seed=1)
    assert found(ran(LORA), ran(other, padding="9.0%")) == {}
    beside = made("full", "adaptation", seed=1)
    assert list(found(ran(LORA), ran(other), ran(beside, padding="9.0%"))) == [
        "the share of padding"
    ]


def test_cells_that_do_not_compare_anyway_are_not_held_against_each_other():
    longer = made("lora", "adaptation", settings={"seq_len": 2048})
    assert found(ran(FULL), ran(longer, longest_sequence="2048")) == {}


def test_a_cell_of_the_frontier_has_sizes_of_its_own():
    fitted = made("lora", "adaptation", fit=Budget(bytes=2**34))
    assert found(ran(FULL), ran(fitted, micro_batch="32")) == {}


def test_a_record_that_does_not_say_what_was_declared_or_seen_is_not_judged():
    silent = cell("lora", members=(Member(id="lora", options={}, distribution=""),))
    assert found(ran(FULL), ran(silent, micro_batch="8")) == {}
    assert found(ran(FULL), ran(LORA).model_copy(update={"effective": {}})) == {}


def test_the_base_trains_nothing_and_is_held_against_nobody():
    base = made("base", "adaptation", trains=False)
    assert found(ran(FULL), ran(base, trained_weights="none")) == {}


def test_a_trait_of_another_version_is_compared_too():
    assert list(found(ran(FULL, new_trait="a"), ran(LORA, new_trait="b"))) == ["new trait"]


def test_the_sentence_names_it_its_values_and_their_cells():
    (difference,) = fairness.unfair([ran(FULL), ran(LORA, micro_batch="8")])
    assert fairness.sentence(difference) == (
        "The methods also differ in the sequences of a micro-batch, which none of them "
        "declares to change: 4 in `full`; 8 in `lora`. What sets them apart is more than the "
        "methods."
    )
