from __future__ import annotations

import pytest

from llmbench.config import composition
from llmbench.errors import ConfigError
from llmbench.plugin.catalogue import Plugin
from llmbench.plugin.strategy import Strategy


def added(*texts: str, seeds: int = 1) -> list[str]:
    asked = [composition.read(text) for text in texts]
    return [c.id for c in composition.missing(asked, seeds)]


def test_every_modifier_is_left_out_in_turn_down_to_the_bare_adaptation_and_to_full():
    assert added("lora(r=4)+4-bit+gradient-checkpointing") == [
        "full",
        "lora(r=4)",
        "lora(r=4)+4-bit",
        "lora(r=4)+gradient-checkpointing",
    ]


def test_three_modifiers_have_seven_smaller_compositions():
    found = added("lora+4-bit+gradient-checkpointing+flash-attention")
    assert len(found) == len(set(found)) == 1 + 7


def test_a_bare_adaptation_is_held_against_full():
    assert added("qlora") == ["full"]


@pytest.mark.parametrize("texts", [["full"], ["base"], ["full", "lora"], ["lora", "full"]])
def test_nothing_is_added_where_nothing_is_missing(texts):
    assert added(*texts) == []


def test_what_is_asked_for_or_shared_is_there_once():
    assert added("lora+gradient-checkpointing", "lora+flash-attention", "lora") == ["full"]


def test_too_many_cells_are_refused_with_their_number():
    deep = "lora+4-bit+gradient-checkpointing+flash-attention"
    assert len(added(deep, seeds=8)) == 8
    with pytest.raises(ConfigError, match="would add 72 cells, and at most 64 are allowed"):
        added(deep, seeds=9)


def test_many_modifiers_are_refused_too(registry):
    modifiers = [
        type(f"M{n}", (Strategy,), {"id": f"m{n}", "summary": "", "group": f"g{n}"})
        for n in range(7)
    ]
    for modifier in modifiers:
        registry.strategies.add(modifier.id, modifier, Plugin("mine", "my-package 1.0"))
    asked = composition.read("+".join(["lora", *(m.id for m in modifiers)]))
    with pytest.raises(ConfigError, match="would add 128 cells"):
        composition.missing([asked], 1)
