"""What a reader does with the page: by mouse, by keyboard, through the address, and taking away."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pages
import pytest

from llmbench.output import summary
from llmbench.output.csv_json import csv as exported_csv
from llmbench.output.csv_json import json as exported_json

TAB, ENTER, SPACE, RIGHT, ESCAPE = "\ue004", "\ue007", " ", "\ue014", "\ue00c"
NAMES = """return [...document.querySelectorAll("#table tbody tr")].filter((row) => !row.hidden)
  .map((row) => row.querySelector("th a").textContent)"""
FOCUSABLE = """
const usual = "a[href], button, input, select, summary, [tabindex='0']";
window.stops = [...document.querySelectorAll(usual)].filter((one) => one.checkVisibility());
return stops.length;
"""
FOCUSED = """
const one = document.activeElement;
const style = getComputedStyle(one);
const box = one.getBoundingClientRect();
const middle = [box.left + Math.min(box.width, innerWidth) / 2, box.top + box.height / 2];
return {
  stop: stops.indexOf(one),
  html: one.outerHTML.slice(0, 100),
  outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1.5,
  seen: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
};
"""
STATE = """return {
  names: [...document.querySelectorAll("#table tbody tr")].map((r) => [r.dataset.cell, r.hidden]),
  sorted: [...document.querySelectorAll("#table thead th")].map((h) => h.getAttribute("aria-sort")),
  columns: [...document.querySelectorAll("#table thead th")].map((h) => h.checkVisibility()),
  values: ["filter", "most-memory", "least-quality", "matters"].map((i) =>
    document.getElementById(i).value),
  chosen: document.getElementById("chosen").textContent,
  count: document.getElementById("count").textContent,
  out: [...document.querySelectorAll("#table .out")].map((r) => r.dataset.cell),
  picked: [...document.querySelectorAll("#table .pick")].map((r) => r.dataset.cell),
}"""


def head(page: Any, column: str) -> Any:
    return page.find(f"#table th[data-column={column}]")


def button(page: Any, column: str) -> Any:
    return page.find(f"#table th[data-column={column}] button")


def put(page: Any, name: str, value: str) -> None:
    field = page.find(f"#{name}")
    field.clear()
    field.send_keys(value)


def choose(page: Any, matters: str) -> None:
    """By keyboard: the driver's own way of choosing an option tells the page nothing of it."""
    page.run("document.getElementById('matters').focus()")
    page.press({"speed": "t"}.get(matters, matters[0]))
    assert page.find("#matters").get_property("value") == matters


def test_a_click_sorts_and_says_so(page: Any) -> None:
    usual = page.run(NAMES)
    memory = [name for name in usual if name != "base"]
    memory.sort(key=lambda name: pages.SIZES[name][1])
    assert head(page, "peak_memory_bytes").get_attribute("aria-sort") == "none"
    button(page, "peak_memory_bytes").click()
    assert page.run(NAMES) == [*memory, "base"]  # what was not measured comes last
    assert head(page, "peak_memory_bytes").get_attribute("aria-sort") == "ascending"
    button(page, "peak_memory_bytes").click()
    assert page.run(NAMES) == [*reversed(memory), "base"]
    assert head(page, "peak_memory_bytes").get_attribute("aria-sort") == "descending"
    button(page, "peak_memory_bytes").click()
    assert page.run(NAMES) == usual
    assert "sort" not in page.driver.current_url


def test_a_key_sorts_from_the_better_end(page: Any) -> None:
    page.run("document.querySelector('th[data-column=rougeL] button').focus()")
    page.press(ENTER)
    assert page.run(NAMES)[-1] == "base"
    assert head(page, "rougeL").get_attribute("aria-sort") == "descending"
    page.press(SPACE)
    assert page.run(NAMES)[0] == "base"
    page.run("document.querySelector('th[data-column=cell] button').focus()")
    page.press(ENTER)
    assert page.run(NAMES) == sorted(pages.SIZES)
    sorts = "return [...document.querySelectorAll('[aria-sort]')].map(h => h.ariaSort)"
    assert page.run(sorts).count("none") == len(page.run(sorts)) - 1


def test_the_filter_takes_names_statuses_and_causes(window: Any, report: Any) -> None:
    window.open(report("failed"))
    for wanted, left in (
        ("LORA", ["lora", "qlora", "lora+8-bit", "lora+4-bit"]),
        ("oom", ["lora+8-bit"]),
        ("half precision", ["full+flash-attention"]),
        ("no such thing", []),
    ):
        put(window, "filter", wanted)
        assert sorted(window.run(NAMES)) == sorted(left)
        assert window.text("#count") == f"{len(left)} of 10 methods"
    put(window, "filter", "x\b")
    assert len(window.run(NAMES)) == 10
    assert window.text("#count") == ""


def test_columns_come_and_go(page: Any) -> None:
    box = page.find("[type=checkbox][data-column=rouge2]")
    assert not box.is_displayed()
    page.run("document.querySelector('.columns summary').focus()")
    page.press(ENTER)
    assert box.is_displayed()
    assert not head(page, "rouge2").is_displayed()
    box.click()
    assert head(page, "rouge2").is_displayed()
    assert "rouge2" in page.driver.current_url
    page.find("[type=checkbox][data-column=train_seconds]").click()
    assert not head(page, "train_seconds").is_displayed()
    cells = page.run(
        "return [...document.querySelectorAll('#table tr')].map(r =>"
        " [...r.cells].filter(c => c.checkVisibility()).length)"
    )
    assert len(set(cells)) == 1


def test_predicted_memory_is_a_column_to_choose_and_to_sort_by(page: Any) -> None:
    page.find(".columns summary").click()
    page.find("[type=checkbox][data-column=predicted_peak_memory_bytes]").click()
    button(page, "predicted_peak_memory_bytes").click()
    trained = [name for name in pages.SIZES if name != "base"]
    assert page.run(NAMES) == [*sorted(trained, key=lambda n: pages.SIZES[n][1]), "base"]


def test_without_constraints_the_choice_is_the_answer(page: Any) -> None:
    assert page.find("#chosen").is_displayed()
    assert page.text("#chosen code") == page.text("h1 code")
    assert page.text("#table .pick th a") == page.text("h1 code")


@pytest.mark.parametrize(
    ("memory", "quality", "matters", "pick", "left"),
    [
        ("5.5", "", "quality", "qlora", 1),
        ("40", "", "speed", "lora", 3),
        ("", "", "memory", "qlora", 7),
        ("", "0.99", "quality", "No method fits.", 0),
        ("0", "", "memory", "No method fits.", 0),
        ("", "", "speed", "lora", 7),
    ],
)
def test_constraints_change_the_recommendation_at_once(
    page: Any, memory: str, quality: str, matters: str, pick: str, left: int
) -> None:
    put(page, "most-memory", memory)
    put(page, "least-quality", quality)
    choose(page, matters)
    assert page.text("#chosen").startswith(pick)
    out = page.run("return document.querySelectorAll('#table tr.out').length")
    assert out == 7 - left
    picked = page.run("return [...document.querySelectorAll('#table .pick th a')].map(e => e.text)")
    assert picked == ([pick] if left else [])


def test_a_link_restores_what_the_reader_set(page: Any, report: Any) -> None:
    page.find(".columns summary").click()
    page.find("[type=checkbox][data-column=rouge1]").click()
    button(page, "peak_memory_bytes").click()
    put(page, "filter", "LoRA")
    put(page, "most-memory", "40")
    put(page, "least-quality", "0.3")
    choose(page, "speed")
    seen = page.run(STATE)
    address = page.driver.current_url
    assert "%3C" not in address
    page.open(report("all_well"), "#" + address.partition("#")[2])
    assert page.run(STATE) == seen
    page.open(report("all_well"))
    assert page.run(STATE) != seen


def test_a_link_pasted_over_the_address_is_followed(page: Any) -> None:
    page.run("location.hash = '#filter=qlora&sort=cell.descending'")
    page.wait(lambda: page.text("#count") == "1 of 8 methods", "what the link asks for")
    assert head(page, "cell").get_attribute("aria-sort") == "descending"


def test_an_address_that_makes_no_sense_is_ignored(window: Any, report: Any) -> None:
    window.open(report("all_well"))
    usual = window.run(STATE)
    fragment = "#sort=x.up&matters=x&most-memory=lots&least-quality=%&nothing=1&=&sort"
    window.open(report("all_well"), fragment)
    assert window.run(STATE) == usual


def test_a_link_to_a_cell_opens_its_details(window: Any, report: Any) -> None:
    window.open(report("failed"))
    assert not window.find("#cell-5").get_attribute("open")
    window.find("#table tr[data-cell='5'] a").click()
    window.wait(lambda: window.find("#cell-5").get_attribute("open"), "the details of a cell")
    assert window.find("#cell-5 pre").is_displayed()
    window.open(report("failed"), "#cell-4")
    assert window.find("#cell-4").get_attribute("open")


@pytest.mark.parametrize("name", ["all_well", "failed", "hostile"])
def test_downloads_hold_the_rows_of_the_exporters(window: Any, report: Any, name: str) -> None:
    comparison = getattr(pages, name)()
    window.open(report(name))
    window.find("[data-format=json][data-of=results]").click()
    found = json.loads(window.downloaded("results.json"))
    assert plain(found) == plain(json.loads(exported_json(comparison)))
    window.find("[data-format=csv][data-of=results]").click()
    rows = list(csv.DictReader(io.StringIO(window.downloaded("results.csv"), newline="")))
    wanted = list(csv.DictReader(io.StringIO(exported_csv(comparison), newline="")))
    assert [*rows[0]] == [*wanted[0]]
    assert plain(rows) == plain(wanted)


@pytest.mark.parametrize("name", ["all_well", "failed"])
def test_a_row_per_method_is_downloaded_as_the_exporter_writes_it(
    window: Any, report: Any, name: str
) -> None:
    wanted = summary.csv(getattr(pages, name)())
    window.open(report(name))
    window.find("[data-format=csv][data-of=summary]").click()
    found = window.downloaded("summary.csv")
    for own, theirs in zip(*(csv.reader(io.StringIO(t)) for t in (found, wanted)), strict=True):
        assert [short(v) for v in own] == [short(v) for v in theirs]


def test_what_is_copied_is_a_table_of_plain_numbers(page: Any) -> None:
    page.run("navigator.clipboard.writeText = (text) => { window.copied = text; }")
    page.find("#copy").click()
    heads, *rows = csv.reader(io.StringIO(page.run("return window.copied")), delimiter="\t")
    assert heads[:5] == ["Method", "Status", "ROUGE-L", "ROUGE-L, low", "ROUGE-L, high"]
    assert len(rows) == 8
    for row in rows:
        assert len(row) == len(heads)
        assert all(value == "" or float(value) >= 0 for value in row[2:])
    low, middle, high = (
        float(rows[1][heads.index(f"ROUGE-L{e}")]) for e in (", low", "", ", high")
    )
    assert low < middle < high


def test_any_two_figures_are_drawn_and_the_choice_is_in_the_address(page: Any) -> None:
    before = page.find("#any").get_attribute("aria-label")
    page.run(
        "const one = document.getElementById('across'); one.value = 'trainable_parameters';"
        "one.dispatchEvent(new Event('change'))"
    )
    assert page.find("#any").get_attribute("aria-label") != before
    assert "across=trainable_parameters" in page.run("return location.hash")
    assert page.run("return document.querySelectorAll('#any [data-cell]').length") == 7


def plain(rows: list[dict[str, Any]]) -> list[list[Any]]:
    """Numbers as such, whichever way they were written, and text as a page can hold it."""
    return [[number(value) for value in row.values()] for row in rows]


def short(value: str) -> Any:
    """A number to the digits that a page keeps, or a text."""
    found = number(value)
    return f"{found:.5g}" if isinstance(found, float) else found


def number(value: Any) -> Any:
    if value in ("True", "true", "False", "false"):
        return value.lower()
    try:
        return None if value in ("", None) else float(value)
    except ValueError:
        return " ".join(c for c in value if c.isprintable() and c != "\ufffd")


def test_charts_tell_their_figures_on_hover_and_on_focus(page: Any) -> None:
    tip = page.find("#tip")
    assert not tip.is_displayed()
    mark = page.find("#chart-quality-memory svg [data-cell][tabindex='0']")
    page.run("arguments[0].focus()", mark)
    assert tip.is_displayed()
    first = tip.text
    assert "GiB" in first
    page.press(RIGHT)
    assert tip.text != first
    page.press(ESCAPE)
    assert not tip.is_displayed()
    from selenium.webdriver import ActionChains

    ActionChains(page.driver, duration=0).move_to_element(mark).perform()
    page.wait(tip.is_displayed, "the figures of what is under the mouse")
    assert tip.text == first
    inside = "const b = document.getElementById('tip').getBoundingClientRect(); return b.right"
    assert page.run(inside) <= 1280


def test_tab_reaches_everything_and_shows_where_it_is(page: Any) -> None:
    page.run("for (const one of document.querySelectorAll('details')) one.open = true")
    page.run("return new Promise(requestAnimationFrame)")
    count = page.run(FOCUSABLE)
    assert count > 50
    page.run("document.activeElement.blur(); scrollTo(0, 0)")
    reached = []
    for _ in range(count):
        page.press(TAB)
        reached.append(page.run(FOCUSED))
    assert [r["stop"] for r in reached] == list(range(count))
    assert [r["html"] for r in reached if not r["outlined"]] == []
    assert [r["html"] for r in reached if not r["seen"]] == []


def test_the_first_stop_skips_to_the_table(page: Any) -> None:
    page.press(TAB, ENTER)
    page.wait(lambda: page.run("return document.activeElement.id") == "cells", "focus on the table")


def test_a_thousand_cells_stay_usable(window: Any, report: Any) -> None:
    """Bounds against what goes through the whole page each time, far above what a step takes."""
    window.open(report("thousand"))
    sorting, filtering, hovering = window.run(
        """const filter = document.getElementById("filter");
        const marks = [...document.querySelectorAll(".chart [data-cell]")].slice(0, 20);
        return [
          () => document.querySelector("th[data-column=peak_memory_bytes] button").click(),
          () => { filter.value = "r=77"; filter.dispatchEvent(new Event("input")); },
          () => marks.forEach((one) => one.dispatchEvent(new MouseEvent("mouseenter"))),
        ].map((act) => {
          const start = performance.now();
          act();
          document.body.getBoundingClientRect();
          return performance.now() - start;
        });"""
    )
    assert window.text("#count") == "11 of 1000 methods"
    assert sorting < 3000
    assert filtering < 2000
    assert hovering < 1000
