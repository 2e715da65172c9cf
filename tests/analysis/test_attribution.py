from __future__ import annotations

import pytest
from records import GIB, cell, ok

from llmbench.analysis import effects as attribution
from llmbench.analysis.effects import MOST_EFFECTS, Effect, Part
from llmbench.analysis.statistics.interval import Interval
from llmbench.analysis.statistics.quality import all_differences
from llmbench.record.record import Record
from llmbench.record.variant import variants

CHECKPOINTED, FLASH = "gradient-checkpointing", "flash-attention"


def run(composition: str, gib: float, rate: float, quality: float = 0.5, seed: int = 0) -> Record:
    return ok(composition, quality, gib, rate, cell=cell(composition, seed))


def effects(records: list[Record], score: str | None = None) -> list[Effect]:
    found = variants(records)
    return attribution.effects(found, all_differences(found, score) if score else None)


def known(found: list[Effect]) -> dict[tuple[str, str], Effect]:
    return {(e.before, e.after): e for e in found}


SQUARE = [
    run("full", 60, 10_000),
    run(f"full+{CHECKPOINTED}", 40, 8_000),
    run(f"full+{FLASH}", 50, 11_000),
    run(f"full+{CHECKPOINTED}+{FLASH}", 38, 9_900),
]


def test_a_member_that_is_added_has_its_known_effect():
    records = [
        run(name, gib, rate, quality, seed)
        for name, gib, rate, quality in (
            ("full", 60, 10_000, 0.5),
            (f"full+{FLASH}", 45, 12_000, 0.6),
        )
        for seed in range(3)
    ]
    (effect,) = effects(records, "rougeL")
    assert effect.part == Part(FLASH)
    assert (effect.before, effect.after) == ("full", f"full+{FLASH}")
    assert effect.memory == Interval(-15 * GIB, -15 * GIB, -15 * GIB)
    assert effect.memory_share == -0.25
    assert effect.speed.word == "better"
    assert effect.speed.difference.low < 0.2 < effect.speed.difference.high
    assert effect.speed_share == effect.speed.difference.estimate == pytest.approx(0.2, abs=0.03)
    assert effect.quality.word == "better"
    assert effect.quality.difference.estimate == pytest.approx(0.1, abs=0.03)


def test_the_order_of_the_records_does_not_turn_an_addition_round():
    forth, back = effects(SQUARE[:2]), effects(SQUARE[1::-1])
    assert known(forth) == known(back)


@pytest.mark.parametrize("order", [1, -1])
def test_an_adaptation_takes_the_place_of_full_whatever_comes_first(order):
    (effect,) = effects([run("full", 60, 10_000), run("lora", 30, 13_000)][::order])
    assert effect.part == Part("lora", instead_of="full")
    assert effect.memory.estimate == -30 * GIB


def test_of_two_others_of_a_group_the_later_takes_the_place_of_the_earlier():
    found = effects([run("lora+8-bit", 48, 8_000), run("lora+4-bit", 26, 12_000)])
    assert [e.part for e in found] == [Part("4-bit", instead_of="8-bit")]


def test_an_option_is_an_exchange_of_the_member():
    found = effects([run("lora(r=8)", 30, 9_000), run("lora(r=64)", 31, 8_900)])
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
    assert effects([run(name, 30, 9_000) for name in pair]) == []


def test_effects_come_part_by_part_each_in_every_context():
    found = [(e.part.added, e.before) for e in effects(SQUARE)]
    assert found == [
        (CHECKPOINTED, "full"),
        (CHECKPOINTED, f"full+{FLASH}"),
        (FLASH, "full"),
        (FLASH, f"full+{CHECKPOINTED}"),
    ]


def test_of_several_seeds_those_that_both_have_count_and_memory_has_an_interval():
    records = [
        run("full", 60, 10_000, seed=0),
        run("full", 62, 10_000, seed=1),
        run("full", 90, 10_000, seed=2),
        run("lora", 30, 13_000, seed=0),
        run("lora", 34, 13_000, seed=1),
    ]
    (effect,) = effects(records)
    assert effect.memory.estimate == (32 - 61) * GIB
    assert effect.memory.low < -30 * GIB < -28 * GIB < effect.memory.high
    assert effect.before_bytes == 61 * GIB


def test_what_has_no_speed_has_an_effect_on_the_rest():
    made = {"settings": {"deterministic": True}}
    records = [ok(n, 0.5, 30, cell=cell(n, **made)) for n in ("full", "lora")]
    (effect,) = effects(records)
    assert (effect.speed, effect.speed_share) == (None, None)
    assert effect.memory.estimate == 0


def test_of_too_few_steps_there_is_a_speed_and_no_verdict_on_it():
    made = {"settings": {"steps": 6}}
    records = [ok(n, 0.5, 30, r, cell=cell(n, **made)) for n, r in (("full", 9e3), ("lora", 18e3))]
    (effect,) = effects(records)
    assert effect.speed is None
    assert effect.speed_share == pytest.approx(1, abs=0.1)


def test_quality_is_judged_as_everywhere_on_the_page():
    names = ("full", "lora", f"full+{FLASH}", f"full+{CHECKPOINTED}")
    records = [run(name, 30, 9_000, seed=seed) for name in names for seed in range(2)]
    found, page = effects(records, "rougeL"), all_differences(variants(records), "rougeL")
    assert len(found) == 3
    for effect in found:
        ends = (f"{effect.after}.llama.s0", f"{effect.before}.llama.s0")
        assert effect.quality.difference == page.interval(*ends)


def test_the_rest_of_a_composition_is_what_both_sides_share():
    found = effects([run(f"full+{FLASH}", 60, 9_000), run(f"lora+{FLASH}", 30, 9_000)])
    assert [e.rest for e in found] == [FLASH]


def test_a_sweep_of_hundreds_of_values_is_cut_short():
    records = [run(f"lora(r={n})", 30, 9_000) for n in range(1, 40)]
    assert len(effects(records)) == MOST_EFFECTS


def test_without_a_score_there_is_no_verdict_on_quality():
    assert effects(SQUARE)[0].quality is None
