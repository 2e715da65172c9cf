from __future__ import annotations

import pytest
from records import GIB, cell, ok

from llmbench.analysis import effects as attribution
from llmbench.analysis.effects import Effect, Part, interactions
from llmbench.record.record import Record
from llmbench.record.variant import variants

CHECKPOINTED, FLASH = "gradient-checkpointing", "flash-attention"


def run(composition: str, gib: float, rate: float) -> Record:
    return ok(composition, 0.5, gib, rate, cell=cell(composition))


def effects(records: list[Record]) -> list[Effect]:
    return attribution.effects(variants(records), None)


SQUARE = [
    run("full", 60, 10_000),
    run(f"full+{CHECKPOINTED}", 40, 8_000),
    run(f"full+{FLASH}", 50, 11_000),
    run(f"full+{CHECKPOINTED}+{FLASH}", 38, 9_900),
]


def test_an_interaction_is_the_difference_of_differences():
    (found,) = interactions(effects(SQUARE))
    assert found.alone.part == Part(CHECKPOINTED)  # saves more than flash attention does
    assert found.other == Part(FLASH)
    assert found.alone.memory.estimate == -20 * GIB
    assert found.joined.memory.estimate == -12 * GIB
    assert found.memory_bytes == 8 * GIB
    assert found.alone.speed_share == pytest.approx(-0.2, abs=0.03)
    assert found.joined.speed_share == pytest.approx(-0.1, abs=0.03)


def test_three_of_the_four_cells_make_no_interaction():
    assert interactions(effects(SQUARE[:3])) == []


def test_an_interaction_is_told_by_the_part_that_is_added():
    records = [
        run("full", 60, 10_000),
        run("lora", 20, 13_000),
        run(f"full+{CHECKPOINTED}", 50, 8_000),
        run(f"lora+{CHECKPOINTED}", 6, 9_000),
    ]
    (found,) = interactions(effects(records))
    assert found.alone.part == Part(CHECKPOINTED)
    assert found.other == Part("lora", instead_of="full")
    assert found.memory_bytes == -4 * GIB


def test_three_modifiers_make_a_square_for_each_two_with_and_without_the_third():
    parts = ["a", "b", "c"]
    names = [
        "+".join(["full", *(p for n, p in enumerate(parts) if mask >> n & 1)]) for mask in range(8)
    ]
    records = [run(name, 60 - 5 * name.count("+"), 9_000) for name in names]
    found = effects(records)
    assert len(found) == 12
    assert len(interactions(found)) == 6
    assert all(i.memory_bytes == 0 for i in interactions(found))
