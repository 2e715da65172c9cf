"""With scripts off the page says what it says with them."""

from __future__ import annotations

from typing import Any

import pytest

TEXT = """
for (const one of document.querySelectorAll("details")) one.open = true;
for (const one of document.querySelectorAll("#choose, .tools, noscript, #tip, #chart-any"))
  one.remove();
for (const one of document.querySelectorAll("th button")) one.replaceWith(...one.childNodes);
const plain = (text) => text.split("\\n").map((l) => l.trim()).filter(Boolean);
return {
  text: plain(document.body.innerText),
  marks: [...document.querySelectorAll(".chart [data-cell]")]
    .map((m) => m.ariaLabel ?? m.querySelector("title").textContent),
  drawn: [...document.querySelectorAll(".chart svg text")].map((t) => t.textContent),
  shown: [...document.querySelectorAll("svg")].map((s) => s.getBoundingClientRect().width > 300),
};
"""
CONTROLS = "#choose, #filter, #downloads, #chart-any, th button"
VISIBLE = """return [...document.querySelectorAll(arguments[0])]
  .filter((one) => one.checkVisibility()).map((one) => one.outerHTML.slice(0, 80))"""


@pytest.mark.parametrize("name", ["all_well", "failed", "fitted"])
def test_text_without_scripts_is_the_text_with_them(window: Any, report: Any, name: str) -> None:
    window.open(report(name), scripts=False)
    assert window.run(VISIBLE, CONTROLS) == []
    without = window.run(TEXT)
    window.open(report(name))
    assert len(window.run(VISIBLE, CONTROLS)) > 10
    assert without == window.run(TEXT)
    assert len(without["text"]) > 100
    assert len(without["marks"]) > 10
    assert all(without["shown"])


def test_without_scripts_columns_can_be_chosen_and_details_opened(window: Any, report: Any) -> None:
    window.open(report("failed"), scripts=False)
    window.find(".columns summary").click()
    assert not shown(window, "rouge2")
    window.find("[data-column=rouge2][type=checkbox]").click()
    assert shown(window, "rouge2")
    details = window.find("details.cell:has(pre)")
    details.find_element("css selector", "summary").click()
    assert "3 dimensions" in details.find_element("css selector", "pre").text


def shown(window: Any, column: str) -> bool:
    return bool(window.find(f"th[data-column={column}]").is_displayed())
