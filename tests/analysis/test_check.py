from __future__ import annotations

import pytest
from records import FIRST_LOSS, cell, fitted, ok

from llmbench.analysis.checks import first_loss_problems


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
