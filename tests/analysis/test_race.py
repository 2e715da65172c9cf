"""Who is given up in a race, and when it is over."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from records import cell, comparison, ok

from llmbench.analysis import race
from llmbench.analysis.judging import stand
from llmbench.analysis.merge import merge
from llmbench.analysis.statistics.differences import differences
from llmbench.analysis.statistics.interval import LEVEL
from llmbench.record.comparison import Comparison
from llmbench.record.timed import GivenUp, Timed

LOST = GivenUp(composition="lora", seeds=2, leader="full", difference=-0.1, low=-0.15, high=-0.05)


def drawn(losses, seeds, examples, luck=0.005, draw=0):
    """Scores of methods that are worse by so much: methods x seeds x examples."""
    random = np.random.default_rng(draw)
    shape = len(losses), seeds, examples
    moved = luck * random.standard_normal(shape[:2])[:, :, None]
    common = 0.1 * random.standard_normal(examples)
    return 0.5 - np.array(losses)[:, None, None] + moved + common + 0.1 * random.normal(size=shape)


def held(page):
    return {str(n): dict(enumerate(rows)) for n, rows in enumerate(page)}


def timed(*given_up, end="time"):
    return Timed(
        seconds=600, look_level=0.005, last_level=0.03, looks=(2, 3), given_up=given_up, end=end
    )


def raced(quality, given_up=(), spread=0.3, end="time") -> Comparison:
    """Methods by their mean quality with each seed; more seeds for some than for others."""
    records = [
        ok(name, value, cell=cell(name, seed), spread=spread)
        for name, values in quality.items()
        for seed, value in enumerate(values)
    ]
    return comparison(records, timed=timed(*given_up, end=end))


@pytest.mark.parametrize(
    ("most", "looks"), [(1, ()), (2, ()), (3, (2,)), (5, (2, 3)), (12, (2, 3, 5, 8))]
)
def test_looks_come_before_the_last_page(most, looks):
    assert race.looks(most) == looks


@pytest.mark.parametrize("most", [1, 2, 3, 5, 12])
def test_looks_and_the_last_page_share_the_chance_of_error(most):
    looks = race.looks(most)
    at_look, last = race.levels(looks)
    assert len(looks) * at_look + last == pytest.approx(LEVEL)


def test_what_is_worse_by_more_than_the_margin_with_its_whole_interval_is_behind():
    page = drawn((0.2, 0.1, 0.012, 0.0), 5, 200)
    between = differences(held(page), 0.005)
    names = list(between.index)
    lost = race.behind(between, names, "3", 0.01)
    assert lost.keys() == {"0", "1"}
    assert all(interval.high < -0.01 for interval in lost.values())
    assert race.behind(differences(held(1 - page), 0.005), names, "3", 0.01, sign=-1).keys() == {
        "0",
        "1",
    }


def test_with_one_seed_nobody_is_behind():
    between = differences(held(drawn((0.3, 0.0), 1, 200)))
    assert race.behind(between, list(between.index), "1", 0.01) == {}


def test_the_best_is_given_up_on_few_pages():
    """Of equal methods; tests/benchmark/racing.py has the figures."""
    given_up = 0
    for draw in range(200):
        page = drawn((0.0,) * 5, 3, 50, 0.05, draw)
        between = differences(held(page), 0.005)
        leader = str(page.mean((1, 2)).argmax())
        given_up += bool(race.behind(between, list(between.index), leader, 0.01))
    assert given_up <= 4


def test_a_look_knows_only_what_was_given_up_before_it():
    read = raced({"full": [0.6] * 3, "lora": [0.5] * 2, "qlora": [0.4] * 3}, (LOST,))
    assert race.standing(read, 2).given_up == {}
    assert set(race.standing(read, 3).given_up.values()) == {LOST}
    assert race.standing(read, 2).level_of_error == 0.005
    lost = race.lost(race.standing(read, 3), {"qlora"}, 3)
    assert [(g.composition, g.leader, g.seeds) for g in lost] == [("qlora", "full", 3)]


def test_what_was_given_up_is_never_the_best_whatever_its_mean():
    """Its two seeds were easy ones for all."""
    read = raced({"full": [0.7, 0.7, 0.4, 0.4], "lora": [0.6, 0.6], "qlora": [0.5] * 4}, (LOST,))
    standing = stand(read)
    lora = next(a for a in standing.variants if a.cell.composition == "lora")
    assert standing.best is not None
    assert standing.best.cell.composition == "full"
    assert (standing.quality_of(lora) or 0) > (standing.quality_of(standing.best) or 0)
    assert standing.merit(lora) == pytest.approx(standing.merit(standing.best) - 0.1)
    assert standing.word(lora) == "worse"
    assert lora not in standing.level()
    assert lora not in standing.undecided(standing.best)


def test_who_gave_up_whom_in_a_circle_does_no_harm():
    other = LOST.model_copy(update={"composition": "full", "leader": "lora"})
    standing = stand(raced({"full": [0.6] * 2, "lora": [0.5] * 2}, (LOST, other)))
    assert all(standing.merit(a) == standing.quality_of(a) for a in standing.competing)


def test_the_page_is_as_sure_as_its_end_allows():
    quality = {"full": [0.6] * 3, "lora": [0.5] * 3}
    widths = {}
    for end in ("time", "seeds", "decided", ""):
        between = stand(raced(quality, end=end)).differences
        interval = between and between.interval(*between.index)
        assert interval is not None
        widths[end] = interval.high - interval.low
    assert widths["time"] == widths["seeds"] < widths["decided"] == widths[""]
    ordinary = stand(replace(raced(quality), header=comparison([ok("full")]).header)).differences
    assert ordinary is not None
    assert ordinary.level == LEVEL


def test_comparisons_that_are_merged_keep_what_was_given_up_and_the_stricter_level():
    quality = {"full": [0.6] * 3, "lora": [0.5] * 2}
    raced_twice = [raced(quality, (LOST,)), raced(quality, end="decided")]
    merged = merge(raced_twice).header.timed
    assert merged is not None
    assert (merged.level, merged.given_up) == (0.005, (LOST,))
    ordinary = comparison([ok("full")])
    assert merge([ordinary, ordinary]).header.timed is None


def test_a_race_is_settled_once_nothing_is_undecided():
    apart = raced({"full": [0.8] * 3, "lora": [0.3] * 3, "base": [0.1] * 3}, spread=0.1)
    assert race.settled(race.standing(apart, 4))
    close = raced({"full": [0.6] * 3, "lora": [0.59] * 3, "base": [0.1] * 3}, spread=0.6)
    assert not race.settled(race.standing(close, 4))
    assert not race.settled(race.standing(raced({"full": [0.6], "lora": [0.3]}), 2))
