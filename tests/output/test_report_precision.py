"""The line on precision: what weights, gradients and optimiser states are in."""

from __future__ import annotations

import records

from llmbench.output.html.page import render
from llmbench.record.record import Record
from llmbench.wording.precision import precision

MASTER = {
    "base_weights": "bfloat16",
    "trained_weights": "bfloat16",
    "master_weights": "float32",
    "gradients": "float32",
    "optimizer_states": "float32",
    "autocast": "off",
}
MIXED = MASTER | {"trained_weights": "float32", "master_weights": "none", "autocast": "bfloat16"}


def typed(
    composition: str, seen: dict[str, str], asked: str = "bf16-master", **more: str
) -> Record:
    cell = records.cell(composition, settings={"precision": asked})
    return records.ok(composition, cell=cell, effective=seen | more)


def test_what_all_cells_share_is_said_once() -> None:
    made = [records.ok("base"), typed("full", MASTER), typed("lora", MASTER)]
    assert precision(made) == (
        "bf16-master: weights bfloat16, updated in copies in float32, gradients float32, "
        "optimiser states float32"
    )


def test_what_differs_is_named_with_the_compositions_that_have_it() -> None:
    made = [
        typed("full", MASTER),
        typed("lora", MASTER),
        typed("lora+4-bit", MASTER, base_weights="nf4"),
        typed("qlora", MASTER, base_weights="bfloat16, nf4", optimizer_states="uint8"),
    ]
    assert precision(made) == (
        "bf16-master: trained weights bfloat16, updated in copies in float32, gradients float32, "
        "optimiser states float32 (uint8 in qlora), base weights nf4 in lora+4-bit and bfloat16 "
        "and nf4 in qlora"
    )


def test_a_base_in_another_type_everywhere_needs_no_names() -> None:
    made = [typed("lora", MIXED, "bf16-mixed"), typed("dora", MIXED, "bf16-mixed")]
    assert precision(made) == (
        "bf16-mixed: trained weights float32, gradients float32, optimiser states float32, "
        "matrix products bfloat16, base weights bfloat16"
    )


def test_a_precision_that_a_strategy_declares_is_named() -> None:
    made = [typed("full", MASTER), typed("lora", MASTER), typed("x", MASTER, "fp32")]
    assert precision(made).startswith("bf16-master (fp32 in x): ")


def test_copies_that_only_one_has_are_said_to_be_its_own() -> None:
    made = [typed("a", MIXED), typed("b", MIXED), typed("full", MIXED, master_weights="float32")]
    assert "updated in copies in float32 in full, " in precision(made)


def test_where_nothing_got_so_far_what_was_asked_for_is_said() -> None:
    cell = records.cell("full", settings={"precision": "bf16-true"})
    said = precision([records.ended("full", "oom", "CUDA out of memory.", cell=cell)])
    assert said.startswith("bf16-true: weights and optimiser states in bf16")
    assert precision([records.ok("base")]) == ""


def test_the_page_says_it_under_what_was_run() -> None:
    html = render(records.comparison([typed("full", MASTER)]))
    assert "<dt>Precision</dt><dd>bf16-master: weights bfloat16, updated in copies" in html
