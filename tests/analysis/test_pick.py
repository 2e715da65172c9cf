"""What is picked, case by case. `browser/test_picking.py` holds the page's script to the same."""

from __future__ import annotations

from typing import Any

import picks
import pytest

from llmbench.analysis.pick import Wish, choose


@pytest.mark.parametrize("case", picks.CASES, ids=picks.IDS)
def test_the_pick_is_the_one_that_a_person_would_make(case: dict[str, Any]) -> None:
    cells, wish = picks.asked(case)
    assert picks.told(cells, choose(cells, wish)) == picks.wanted(case)


def test_of_no_candidates_none_is_picked() -> None:
    found = choose([], Wish())
    assert (found.pick, found.tight) == (None, None)


@pytest.mark.parametrize("seed", range(200))
def test_whatever_there_is_the_pick_keeps_to_the_rule(seed: int) -> None:
    cells, wish = picks.drawn(seed)
    found = choose(cells, wish)
    fit = [i for i, cell in enumerate(cells) if wish.allows(cell)]
    assert (found.pick is None) == (not fit)
    if found.best is None or found.pick is None:
        return
    best = cells[found.best]
    assert all((cells[i].quality or 0) <= (best.quality or 0) for i in fit)
    assert set(found.level) == {i for i in fit if i == found.best or i in (best.tied or ())}
    assert found.pick in (found.equal or found.level)
    assert set(found.equal) <= set(found.level)
    if found.tight is not None:
        assert cells[found.tight].memory <= 0.9 * cells[found.pick].memory
        assert found.tight in found.level
