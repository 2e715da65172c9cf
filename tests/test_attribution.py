from __future__ import annotations

import random

import pytest
from records import GIB, cell, ok

from llmbench.attribution import Effect, Part, effects, interactions
from llmbench.record import Example, Record, Step

CHECKPOINTED, FLASH = "gradient-checkpointing", "flash-attention"


def steps(rate: float, seed: int) -> tuple[Step, ...]:
    """Steps of a known speed, each a little off, as batches are."""
    draw, noise = random.Random(seed), random.Random(f"{seed} {rate}")
    tokens = [4000 + draw.randrange(200) for _ in range(20)]
    return tuple(
        Step(
            seconds=t / rate * noise.uniform(0.98, 1.02),
            loss=1.0,
            learning_rate=1e-5,
            supervised_tokens=t,
            nonpadding_tokens=t,
            padded_tokens=t,
        )
        for t in tokens
    )


def scored(quality: float) -> tuple[Example, ...]:
    return tuple(
        Example(
            id=f"e{n}",
            references=("x",),
            prediction="x",
            new_tokens=1,
            scores={"rougeL": quality + 0.01 * (n % 5) + 0.001 * random.Random(n).random()},
        )
        for n in range(40)
    )


def run(composition: str, gib: float, rate: float, quality: float = 0.5, seed: int = 0) -> Record:
    made = cell(composition, seed)
    return ok(
        composition, memory_gib=gib, cell=made, steps=steps(rate, seed), examples=scored(quality)
    )


def known(found: list[Effect]) -> dict[tuple[str, str], Effect]:
    return {(e.before, e.after): e for e in found}


SQUARE = [
    run("full", 60, 10_000),
    run(f"full+{CHECKPOINTED}", 40, 8_000),
    run(f"full+{FLASH}", 50, 11_000),
    run(f"full+{CHECKPOINTED}+{FLASH}", 38, 9_900),
]


def test_a_member_that_is_added_has_its_known_effect():
    found = effects([run("full", 60, 10_000, 0.5), run(f"full+{FLASH}", 45, 12_000, 0.6)], "rougeL")
    (effect,) = found
    assert effect.part == Part(FLASH)
    assert (effect.before, effect.after) == ("full", f"full+{FLASH}")
    assert effect.memory_bytes == -15 * GIB
    assert effect.memory_percent == pytest.approx(-25)
    assert effect.speed_percent.low < effect.speed_percent.estimate < effect.speed_percent.high
    assert effect.speed_percent.estimate == pytest.approx(20, abs=1)
    assert effect.quality.word == "better"
    assert effect.quality.difference.estimate == pytest.approx(0.1)


def test_the_order_of_the_records_does_not_turn_an_addition_round():
    forth, back = effects(SQUARE[:2], None), effects(SQUARE[1::-1], None)
    assert known(forth) == known(back)


@pytest.mark.parametrize("order", [1, -1])
def test_an_adaptation_takes_the_place_of_full_whatever_comes_first(order):
    (effect,) = effects([run("full", 60, 10_000), run("lora", 30, 13_000)][::order], None)
    assert effect.part == Part("lora", instead_of="full")
    assert effect.memory_bytes == -30 * GIB


def test_of_two_others_of_a_group_the_later_takes_the_place_of_the_earlier():
    found = effects([run("lora+8-bit", 48, 8_000), run("lora+4-bit", 26, 12_000)], None)
    assert [e.part for e in found] == [Part("4-bit", instead_of="8-bit")]


def test_an_option_is_an_exchange_of_the_member():
    found = effects([run("lora(r=8)", 30, 9_000), run("lora(r=64)", 31, 8_900)], None)
    assert [e.part for e in found] == [Part("lora(r=64)", instead_of="lora(r=8)")]


@pytest.mark.parametrize(
    "pair",
    [
        ("full", f"lora+{FLASH}"),
        (f"full+{FLASH}", f"full+{CHECKPOINTED}"),
        ("full", f"full+{FLASH}+{CHECKPOINTED}"),
        ("lora+4-bit", "qlora"),
    ],
)
def test_compositions_that_differ_in_more_than_a_part_say_nothing(pair):
    assert effects([run(name, 30, 9_000) for name in pair], None) == []


def test_effects_come_part_by_part_each_in_every_context():
    found = [(e.part.added, e.before) for e in effects(SQUARE, None)]
    assert found == [
        (CHECKPOINTED, "full"),
        (CHECKPOINTED, f"full+{FLASH}"),
        (FLASH, "full"),
        (FLASH, f"full+{CHECKPOINTED}"),
    ]


def test_only_seeds_that_both_have_count():
    records = [
        run("full", 60, 10_000, seed=0),
        run("full", 62, 10_000, seed=1),
        run("full", 90, 10_000, seed=2),
        run("lora", 30, 13_000, seed=0),
        run("lora", 34, 13_000, seed=1),
    ]
    (effect,) = effects(records, None)
    assert effect.memory_bytes == (32 - 61) * GIB
    assert effects([run("full", 60, 1e4, seed=0), run("lora", 30, 1e4, seed=1)], None) == []


def test_without_a_score_there_is_no_verdict_on_quality():
    assert effects(SQUARE, None)[0].quality is None


def test_an_interaction_is_the_difference_of_differences():
    (found,) = interactions(effects(SQUARE, None))
    assert found.alone.part == Part(CHECKPOINTED)  # saves more than flash attention does
    assert found.other == Part(FLASH)
    assert (found.alone.memory_bytes, found.joined.memory_bytes) == (-20 * GIB, -12 * GIB)
    assert found.memory_bytes == 8 * GIB
    assert found.speed_points == pytest.approx(-10 - -20, abs=1.5)


def test_three_of_the_four_cells_make_no_interaction():
    assert interactions(effects(SQUARE[:3], None)) == []


def test_an_interaction_is_told_by_the_part_that_is_added():
    records = [
        run("full", 60, 10_000),
        run("lora", 20, 13_000),
        run(f"full+{CHECKPOINTED}", 50, 8_000),
        run(f"lora+{CHECKPOINTED}", 6, 9_000),
    ]
    (found,) = interactions(effects(records, None))
    assert found.alone.part == Part(CHECKPOINTED)
    assert found.other == Part("lora", instead_of="full")
    assert found.memory_bytes == -4 * GIB


def test_three_modifiers_make_a_square_for_each_two_with_and_without_the_third():
    parts = ["a", "b", "c"]
    names = [
        "+".join(["full", *(p for n, p in enumerate(parts) if mask >> n & 1)]) for mask in range(8)
    ]
    records = [run(name, 60 - 5 * name.count("+"), 9_000) for name in names]
    found = effects(records, None)
    assert len(found) == 12
    assert len(interactions(found)) == 6
    assert all(i.memory_bytes == 0 for i in interactions(found))
