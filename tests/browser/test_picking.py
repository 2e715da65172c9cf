"""The page's own rule of the pick decides as Python's does."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import picks
import pytest

from llmbench.judge.pick import Candidate, Choice, Wish, choose

CHOOSE = "return choose(arguments[0], arguments[1])"


@pytest.fixture
def page(window: Any, report: Any) -> Any:
    window.open(report("all_well"))
    return window


def chosen(page: Any, cells: list[Candidate], wish: Wish) -> dict[str, Any]:
    return page.run(CHOOSE, [asdict(cell) for cell in cells], asdict(wish))


def test_every_case_is_decided_alike(page: Any) -> None:
    for case in picks.CASES:
        cells, wish = picks.asked(case)
        found = picks.told(cells, chosen(page, cells, wish))
        assert found == picks.wanted(case), case["says"]


def test_whatever_there_is_both_decide_alike(page: Any) -> None:
    for seed in range(200):
        cells, wish = picks.drawn(seed)
        found = chosen(page, cells, wish)
        ours = asdict(choose(cells, wish))
        longer = found.pop("longer"), ours.pop("longer")
        assert found == {k: list(v) if isinstance(v, tuple) else v for k, v in ours.items()}, seed
        assert longer[0] == pytest.approx(longer[1])


def test_both_tell_the_same_things_of_a_choice(page: Any) -> None:
    found = chosen(page, [Candidate("lora", 0.4, 1.0)], Wish())
    assert found.keys() == asdict(Choice()).keys()
