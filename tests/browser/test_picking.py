"""The page's own rule of the pick decides as Python's does."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import picks
import pytest
import records

from llmbench.analysis.pick import Candidate, Choice, Wish, choose
from llmbench.record.comparison import Comparison
from llmbench.record.record import Record

CHOOSE = "return choose(arguments[0], arguments[1])"


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


def seeds(composition: str, off: float, memory: float, speed: float) -> list[Record]:
    """Three seeds, all with the same scores but for what they are off."""
    made = []
    for seed in range(3):
        record = records.ok(composition, 0.5, memory, speed, cell=records.cell(composition, seed))
        examples = [
            e.model_copy(update={"scores": {"rougeL": 0.5 + off + (n % 5 - 2) / 1000}})
            for n, e in enumerate(record.examples)
        ]
        made.append(record.model_copy(update={"examples": tuple(examples)}))
    return made


def three(**configuration: Any) -> Comparison:
    """`full` is the best, `lora` as good and the fastest, `qlora` as good and the smallest."""
    cells = [
        *seeds("full", 0.0, 62.0, 10000.0),
        *seeds("lora", -0.002, 35.0, 14000.0),
        *seeds("qlora", -0.003, 5.0, 10000.0),
        *seeds("8-bit", -0.2, 1.0, 90000.0),
    ]
    return records.comparison(cells, configuration=configuration)


def put(page: Any, value: str) -> None:
    field = page.find("#most-memory")
    field.clear()
    field.send_keys(value)


def test_the_page_says_why_and_what_it_costs_to_need_less(window: Any, write: Any) -> None:
    window.open(write(three()))
    said = window.text("#chosen")
    assert said.startswith("lora (ROUGE-L 0.498, 35.0 GiB, ")
    assert "as good as the highest ROUGE-L, full (0.500). Of the 3 that are as good, it tra" in said
    assert (
        "If memory is tight: qlora needs 5.0 GiB instead of 35.0 GiB, and takes 1.4 times" in said
    )
    put(window, "20")
    assert window.text("#chosen").startswith("qlora (")
    assert "2 of 4 do not fit." in window.text("#chosen")


def test_a_budget_is_the_reader_s_limit_until_it_is_changed(window: Any, write: Any) -> None:
    page = write(three(memory_budget="34GiB"))
    window.open(page)
    assert window.find("#most-memory").get_property("value") == "34"
    assert window.text("h1 code") == window.text("#chosen code") == "qlora"
    assert window.run("return document.querySelectorAll('#table tr.out').length") == 2
    put(window, "x\b")
    assert window.text("#chosen code") == "lora"
    address = window.driver.current_url
    assert "most-memory=any" in address
    window.open(page, "#" + address.partition("#")[2])
    assert window.text("#chosen code") == "lora"
    assert window.text("#table .pick th").startswith("lora ")


def test_where_nothing_fits_the_budget_both_say_so(window: Any, write: Any) -> None:
    window.open(write(three(memory_budget="900MiB")))
    assert window.text("h1") == "Nothing fits: every method needs more than 900 MiB"
    assert window.text("#chosen").startswith("No method fits. The least peak memory is 1.")
    put(window, "63")
    assert window.text("#chosen code") == "lora"
