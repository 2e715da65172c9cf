"""Names of cells: short, and never the same for two."""

from __future__ import annotations

from collections.abc import Sequence

import records

from llmbench.analysis.names import named
from llmbench.record.record import Cell, ModelRef


def names(cells: Sequence[Cell], seeds: bool = False) -> list[str]:
    return list(named(cells, seeds).values())


def of(composition: str, **settings: object) -> Cell:
    return records.cell(composition, id=f"{composition} {settings}", settings=settings)


def test_a_composition_is_name_enough_where_nothing_else_varies() -> None:
    assert names([records.cell("full"), records.cell("lora")]) == ["full", "lora"]


def test_the_model_the_task_and_if_asked_the_seed_are_named_where_they_vary() -> None:
    other = ModelRef(id="gpt2", weights="pretrained")
    cells = [records.cell("lora"), records.cell("lora", id="b", model=other)]
    assert names(cells) == ["lora · llama-2-7b", "lora · gpt2"]
    seeds = [records.cell("lora", 0), records.cell("lora", 1)]
    assert names(seeds, seeds=True) == ["lora · seed 0", "lora · seed 1"]


def test_settings_that_tell_cells_apart_are_in_all_names() -> None:
    cells = [of("full", seq_len=512), of("full", seq_len=4096), of("lora", seq_len=512)]
    assert names(cells) == ["full · seq-len 512", "full · seq-len 4096", "lora · seq-len 512"]


def test_settings_that_only_strategies_change_are_in_no_name() -> None:
    assert names([of("full", learning_rate=1e-5), of("lora", learning_rate=1e-4)]) == [
        "full",
        "lora",
    ]


def test_of_many_settings_two_are_named_and_digits_tell_the_rest_apart() -> None:
    cells = [of("full"), of("full", seq_len=512, batch_size=2, steps=7, precision="bf16-true")]
    assert names(cells) == ["full · steps 20 · batch-size 4", "full · steps 7 · batch-size 2"]
    twins = [records.cell("full", id="full.aaaa"), records.cell("full", id="full.bbbb")]
    assert names(twins) == ["full · aaaa", "full · bbbb"]
