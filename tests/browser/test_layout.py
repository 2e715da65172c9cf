"""Nothing sticks out, narrow or wide; print shows everything; and the sizes hold."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest

STICKING_OUT = """
const width = document.documentElement.clientWidth;
const out = [];
function visit(one) {
  if (one.matches(".unseen, .skip, svg, #tip")) return;
  const box = one.getBoundingClientRect();
  if (box.width > 0 && (box.right > width + 0.5 || box.left < -0.5)) out.push(one);
  if (!one.matches(".scroll")) [...one.children].forEach(visit);
}
visit(document.body);
const first = out.map((one) => one.outerHTML.slice(0, 120)).slice(0, 5);
return [document.documentElement.scrollWidth - width, first];
"""
OPEN_ALL = 'for (const one of document.querySelectorAll("details")) one.open = true'


@pytest.mark.parametrize("name", ["all_well", "failed", "fitted", "tuned", "thousand", "hostile"])
def test_nothing_sticks_out(window: Any, report: Any, name: str) -> None:
    window.open(report(name), width=1280)
    for opened in (False, True):
        if opened:
            window.run(OPEN_ALL)
        for width in (1280, 360):
            window.size(width)
            assert window.run(STICKING_OUT) == [0, []]


def test_at_360_pixels_text_and_controls_stay_readable(window: Any, report: Any) -> None:
    window.open(report("all_well"), width=360)
    small = window.run(
        """return [...document.body.querySelectorAll("main *")]
             .filter((one) => !one.closest("svg") && one.checkVisibility() &&
               [...one.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) &&
               parseFloat(getComputedStyle(one).fontSize) < 11)
             .map((one) => one.outerHTML.slice(0, 120))"""
    )
    assert small == []
    drawn = window.run(
        """return [...document.querySelectorAll(".chart svg")].map((svg) =>
             12 * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width)"""
    )
    assert min(drawn) >= 9


def test_print_has_no_controls_and_leaves_closed_appendices_out(window: Any, report: Any) -> None:
    window.open(report("failed"))
    made = window.cdp("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)
    assert made["data"].startswith("JVBERi")  # %PDF
    assert len(re.findall(rb"/Type\s*/Page\b", base64.b64decode(made["data"]))) <= 8
    window.emulate("print")
    for selector in ("#choose", ".tools", ".skip", "details.cell"):
        assert not window.find(selector).is_displayed()
    for selector in ("h1", "#table", "#chart-quality-memory svg", ".example", "#command"):
        assert window.find(selector).is_displayed()
    page = 718  # pixels of an A4 page between margins of a centimetre
    window.size(page)
    # Chromium shrinks everything to what is widest, so that it fits the page.
    assert window.run("return document.documentElement.scrollWidth") <= 1.1 * page


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("all_well", 300 * 2**10),
        ("failed", 300 * 2**10),
        ("tuned", 300 * 2**10),  # eight runs with three seeds each
        ("thousand", 3 * 2**20),
    ],
)
def test_sizes(report: Any, name: str, limit: int) -> None:
    path: Path = report(name)
    assert path.stat().st_size < limit
