from __future__ import annotations

import math

import pytest
from records import tried

from llmbench.analysis import tuning
from llmbench.analysis.tuning import MOST_TRIES, first, search, searches, unfinished


def found(*points: tuple[float, float | None], name: str = "lora", **changes):
    return search(name, [tried(name, rate, loss, **changes) for rate, loss in points])


def test_the_first_rates_lie_around_the_declared_one_in_half_decades():
    assert first(2e-4) == [6.3e-5, 2e-4, 6.3e-4]


def test_the_best_rate_is_that_of_the_lowest_loss_and_of_equals_the_lower():
    assert found((1e-4, 2.0), (1e-3, 1.5), (1e-2, 1.7)).best.rate == 1e-3
    assert found((1e-4, 2.0), (1e-3, 1.5), (1e-2, 1.5)).best.rate == 1e-3


@pytest.mark.parametrize(
    ("losses", "bracketed"),
    [
        ((1.9, 1.5, 1.7), True),
        ((1.5, 1.6, 1.7), False),
        ((1.9, 1.8, 1.7), False),
        ((1.9, 1.8, None), True),  # a rate that diverges is too high
        ((None, None, None), False),
    ],
)
def test_the_best_is_bracketed_once_a_lower_and_a_higher_rate_were_tried(losses, bracketed):
    assert found(*zip((1e-4, 3.2e-4, 1e-3), losses, strict=True)).bracketed is bracketed


def test_the_grid_grows_on_the_side_where_the_best_is():
    assert found((1e-4, 1.9), (3.2e-4, 1.8), (1e-3, 1.7)).next() == 3.2e-3
    assert found((1e-4, 1.5), (3.2e-4, 1.8), (1e-3, 1.9)).next() == 3.2e-5


def test_a_grid_that_diverged_everywhere_grows_downwards():
    assert found((1e-4, None), (3.2e-4, None), (1e-3, None)).next() == 3.2e-5


def test_a_bracketed_best_is_looked_for_between_its_neighbours():
    held = found((1e-4, 1.9), (3.2e-4, 1.5), (1e-3, 1.6))
    assert held.next() == 5.7e-4  # on the side where the loss is lower
    finer = found((1e-4, 1.9), (3.2e-4, 1.5), (5.7e-4, 1.6), (1e-3, 1.6))
    assert finer.next() == 1.8e-4  # in the wider gap


def test_a_search_ends_after_its_most_tries_bracketed_or_not():
    held = found(*((10 ** (-6 + n / 2), 5.0 - n / 10) for n in range(MOST_TRIES)))
    assert not held.bracketed
    assert held.next() is None


@pytest.mark.parametrize("status", ["oom", "failed", "skipped", "timeout"])
def test_a_search_that_ends_for_another_reason_than_its_rate_is_given_up(status):
    held = found((1e-4, None), (3.2e-4, None), status=status)
    assert held.broken
    assert held.next() is None


def test_every_arithmetic_gets_as_many_tries_as_the_one_that_needs_most():
    edge = found((1e-4, 1.9), (3.2e-4, 1.8), (1e-3, 1.7), (3.2e-3, 1.6), (1e-2, 1.5), name="full")
    done = found((1e-4, 1.9), (3.2e-4, 1.5), (5.7e-4, 1.6), (1e-3, 1.7), (1.8e-4, 1.7))
    assert unfinished({"full": edge, "lora": done}, least=5) == ["full", "lora"]
    bracketed = search("full", [*(t.record for t in edge.tries), tried("full", 3.2e-2, 1.9)])
    assert unfinished({"full": bracketed, "lora": done}, least=5) == ["lora"]


def test_the_least_number_of_tries_is_kept_where_all_are_bracketed_at_once():
    done = found((1e-4, 1.9), (3.2e-4, 1.5), (1e-3, 1.7))
    assert unfinished({"lora": done}, least=5) == ["lora"]
    assert unfinished({"lora": done}, least=3) == []


def test_a_search_that_is_given_up_asks_for_no_more_tries_of_others():
    done = found((1e-4, 1.9), (3.2e-4, 1.5), (1e-3, 1.7))
    gone = found((1e-4, None), (3.2e-4, None), (1e-3, None), (1e-5, None), status="oom")
    assert unfinished({"lora": done, "full": gone}, least=3) == []


@pytest.mark.parametrize("optimum", [3e-6, 2e-4, 7e-4, 5e-2])
def test_a_search_finds_a_smooth_optimum_and_brackets_it(optimum):
    def loss(rate: float) -> float:
        return 1.5 + 0.2 * math.log10(rate / optimum) ** 2

    records = [tried("lora", rate, loss(rate)) for rate in first(2e-4)]
    while unfinished({"lora": (held := search("lora", records))}, least=5):
        rate = held.next()
        records.append(tried("lora", rate, loss(rate)))
    assert held.bracketed
    assert abs(math.log10(held.best.rate / optimum)) < 0.26  # half a step of the first grid
    rates = [t.rate for t in held.tries]
    assert len(set(rates)) == len(rates)


def test_cells_that_are_reported_are_no_tries():
    reported = tried("lora", 1e-3, 1.0)
    reported = reported.model_copy(
        update={"cell": reported.cell.model_copy(update={"tuning": False})}
    )
    assert searches([reported]) == {}
    assert tuning.tuned(reported.cell)
