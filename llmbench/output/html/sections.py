"""The sections of plugins: words and a table each, shown as text whatever they hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from llmbench import plugin
from llmbench.errors import PluginError
from llmbench.output.table import Table, plain
from llmbench.plugin.blame import Amiss, blamed, of_kind
from llmbench.plugin.section import Content, Section
from llmbench.record.comparison import Comparison
from llmbench.text import clean


@dataclass(frozen=True)
class Part:
    """A section as the page shows it."""

    id: str
    title: str
    paragraphs: tuple[str, ...]
    table: Table | None = None


def sections(comparison: Comparison) -> tuple[Part, ...]:
    """All that have something to say, in the order in which plugins registered them."""
    return tuple(_parts(comparison))


def _parts(comparison: Comparison) -> Iterator[Part]:
    for section in plugin.registry().sections.items().values():
        title = _text(section.title)
        try:
            content = content_of(section, comparison)
        except PluginError as error:
            yield Part(section.id, title, (f"This section is left out: {_text(error)}",))
            continue
        if content is not None:
            paragraphs = tuple(map(_text, content.paragraphs))
            yield Part(section.id, title, paragraphs, _table(title, content))


def content_of(section: Section, comparison: Comparison) -> Content | None:
    """What a plugin's section says; PluginError where it cannot be shown."""
    with blamed("section", section.id, "content"):
        content = section.content(comparison)
        if content is None:
            return None
        made: Content = of_kind(content, Content, "a Content or None")
        wrong = next((row for row in made.rows if len(row) != len(made.header)), None)
        if wrong is not None:
            raise Amiss(f"a row has {len(wrong)} texts under {len(made.header)} headings")
        return made


def _table(title: str, content: Content) -> Table | None:
    if not content.header:
        return None
    rows = [tuple(map(_text, row)) for row in content.rows]
    return plain(title, tuple(map(_text, content.header)), rows)


def _text(said: object) -> str:
    """Plain text, also of what says that it is HTML already."""
    return clean("".join([*str.__str__(f"{said}")]))
