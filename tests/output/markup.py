"""Pages and charts taken apart, for tests of what is in them."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from llmbench.output.html.charts.chart import Chart


class Page(HTMLParser):
    """A page taken apart: elements with their attributes, and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.blocks: dict[str, list[str]] = {"script": [], "style": []}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem:
            self.blocks[self.cdata_elem].append(data)
        else:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def cells(self) -> int:
        return sum(1 for row in self.all("tr") if "data-cell" in row)


def marks(chart: Chart) -> list[str]:
    """What its marks say."""
    return re.findall(r"data-cell[^>]*><title>([^<]*)", str(chart.drawing))
