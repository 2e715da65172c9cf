"""The page asks the network for nothing, and its policy would not let it."""

from __future__ import annotations

from typing import Any

import pytest

USE_IT_ALL = """
for (const one of document.querySelectorAll("details")) one.open = true;
const some = (selector) => [...document.querySelectorAll(selector)].slice(0, 12);
for (const one of some("[id^=column-], th button")) one.click();
for (const mark of some(".chart [data-cell]")) mark.dispatchEvent(new MouseEvent("mouseenter"));
for (const button of some("th button")) button.click();
for (const [id, value] of [["filter", "lora"], ["most-memory", "40"], ["least-quality", "0.5"]]) {
  const input = document.getElementById(id);
  input.value = value;
  input.dispatchEvent(new Event("input", { bubbles: true }));
}
scrollTo(0, document.body.scrollHeight);
"""
TRIES = {
    "connect-src": "fetch('https://example.org/fetched').catch(() => 0)",
    "img-src": "add('img').src = 'https://example.org/pixel.png'",
    "script-src-elem": "add('script').textContent = 'owned = 1'",
    "script-src-attr": "const p = add('p'); p.setAttribute('onclick', 'owned = 1'); p.click()",
    "style-src-elem": "add('style').textContent = 'p { color: red }'",
    "style-src-attr": "add('p').setAttribute('style', 'color: red')",
    "frame-src": "add('iframe').src = 'https://example.org/frame'",
    "media-src": "add('video').src = 'https://example.org/film'",
    "object-src": "add('embed').src = 'https://example.org/plugin'",
    "base-uri": "add('base').href = 'https://example.org/'",
    "form-action": """const form = add('form'); form.method = 'post';
        form.action = 'https://example.org/form'; form.submit()""",
    "font-src": """new FontFace('f', 'url(https://example.org/font)').load().catch(() => 0)""",
    "worker-src": "try { new Worker('https://example.org/worker') } catch { new Worker('data:,') }",
}
TRY = """
const [tries, done] = arguments;
const refused = new Set();
const add = (tag) => document.body.appendChild(document.createElement(tag));
addEventListener("securitypolicyviolation", (event) => refused.add(event.effectiveDirective));
for (const one of tries) new Function("add", one)(add);
setTimeout(() => done([[...refused], typeof owned, document.querySelector("p").style.color]), 400);
"""


@pytest.mark.parametrize("name", ["all_well", "failed"])
def test_using_all_of_the_page_asks_for_nothing(window: Any, report: Any, name: str) -> None:
    """The fixture holds that no request left and that the console stayed silent."""
    window.open(report(name))
    window.run(USE_IT_ALL)
    assert window.run("return performance.getEntriesByType('resource').map((r) => r.name)") == []


def test_the_policy_refuses_whatever_could_leave_or_run(window: Any, report: Any) -> None:
    window.open(report("failed"))
    refused, owned, _ = window.driver.execute_async_script(TRY, list(TRIES.values()))
    assert set(refused) >= set(TRIES)
    assert owned == "undefined"
    assert window.requests() == []
    assert all("Content Security Policy" in message for message in window.messages())
