"""Whatever text a comparison or an address holds, the browser runs nothing of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

import injection
import pytest

SIZE = 15
PARTS = [
    injection.STRINGS[start : start + SIZE] for start in range(0, len(injection.STRINGS), SIZE)
]
USE_IT_ALL = """
for (const one of document.querySelectorAll("details")) one.open = true;
for (const one of document.querySelectorAll("[id^=column-], th button")) one.click();
for (const mark of document.querySelectorAll(".chart [data-cell]"))
  mark.dispatchEvent(new MouseEvent("mouseenter"));
for (const row of document.querySelectorAll("tr[data-cell]"))
  row.dispatchEvent(new MouseEvent("mouseenter"));
const stops = "a, button:not([data-format]), input, select, [tabindex]";
for (const one of document.querySelectorAll(stops)) one.focus();
for (const value of ["memory", "speed"]) {
  const matters = document.getElementById("matters");
  matters.value = value;
  matters.dispatchEvent(new Event("input"));
}
"""
STRANGE = """
const usual = new Set(arguments[0]);
const all = [...document.querySelectorAll("*")];
return {
  canary: typeof canary,
  title: document.title,
  scripts: document.scripts.length,
  strange: all.map((one) => one.localName).filter((name) => !usual.has(name)),
  handlers: all.filter((one) => one.id !== "tip").flatMap((one) => [...one.attributes])
    .map((a) => a.name)
    .filter((name) => name.startsWith("on") || name === "style" || name === "srcdoc"),
  links: all.flatMap((one) => [...one.attributes])
    .filter((a) => ["href", "src", "action", "data", "xlink:href"].includes(a.name))
    .map((a) => a.value).filter((value) => value !== "data:," && !value.startsWith("#")),
};
"""
SEEN = """
const said = document.body.textContent + [...document.querySelectorAll("[aria-label]")]
  .map((one) => one.getAttribute("aria-label")).join(" ");
const plain = (text) => text.replace(/\\s+/g, " ").trim();
const page = plain(said);
return arguments[0].map(plain).filter((text) => !page.includes(text));
"""


class Names(HTMLParser):
    """The names of a page's elements, and its title."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.title = self.within = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.within = tag

    def handle_data(self, data: str) -> None:
        if self.within == "title" and not self.title:
            self.title = " ".join(data.split())


@pytest.fixture(scope="module")
def usual(report: Any) -> list[str]:
    """The elements of pages that hold nothing hostile, as the browser names them."""
    names = Names(report("all_well").read_text("utf-8")).names
    names |= Names(report("failed").read_text("utf-8")).names
    return [*names, "clipPath", "tbody"]


def test_the_corpus_is_large() -> None:
    assert len(set(injection.STRINGS)) >= 50


@pytest.mark.parametrize("texts", PARTS, ids=range(len(PARTS)))
def test_text_of_a_comparison_never_runs(
    window: Any, write: Any, usual: list[str], texts: Sequence[str]
) -> None:
    path: Path = write(injection.comparison(texts))
    window.open(path)
    window.run(USE_IT_ALL)
    title = Names(path.read_text("utf-8")).title
    check(window, usual, title)
    assert window.run(SEEN, [clean(text) for text in texts]) == []
    names = window.run("return [...document.querySelectorAll('#table th a')].map((a) => a.text)")
    assert any(window.text("#chosen").startswith(" ".join(name.split())) for name in names)


def test_text_of_the_address_never_runs(window: Any, report: Any, usual: list[str]) -> None:
    title = Names(report("all_well").read_text("utf-8")).title
    names = ("sort", "filter", "columns", "most-memory", "least-quality", "matters", "x")
    for start in range(0, len(injection.STRINGS), len(names)):
        texts = injection.STRINGS[start : start + len(names)]
        fragment = "&".join(f"{n}={quote(t)}" for n, t in zip(names, texts, strict=False))
        window.open(report("all_well"), f"#{fragment}")
        check(window, usual, title)
    window.run(USE_IT_ALL)
    hashes = "for (const text of arguments[0]) location.hash = text"
    window.run(hashes, [*injection.STRINGS, *(f"cell-1{text}" for text in injection.STRINGS)])
    time.sleep(0.3)  # the page hears of it afterwards, and may load anew
    loaded = "return document.readyState === 'complete'"
    window.wait(lambda: window.run(loaded), "the page of the last address")
    check(window, usual, title)


def check(window: Any, usual: list[str], title: str) -> None:
    found = window.run(STRANGE, usual)  # fails where a dialog is open
    assert found == {
        "canary": "undefined",
        "title": title,
        "scripts": 2,
        "strange": [],
        "handlers": [],
        "links": [],
    }


def clean(text: str) -> str:
    from llmbench.text import clean as cleaned

    return cleaned(text)
