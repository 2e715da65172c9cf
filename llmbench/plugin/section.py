"""A section: a part of the report that a plugin fills with words and a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmbench.record.comparison import Comparison


@dataclass(frozen=True)
class Content:
    """Paragraphs, and a table below them. All of it is text: tags are shown as they are written."""

    paragraphs: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    """The headings of the table's columns; empty for no table."""
    rows: tuple[tuple[str, ...], ...] = ()
    """As many texts in each as there are headings."""


@dataclass(frozen=True)
class Section:
    """A heading near the end of the report, and what stands under it."""

    id: str
    """As `llmbench list sections` shows it."""
    summary: str
    """One line for `llmbench list sections`."""
    title: str
    """The heading."""
    content: Callable[[Comparison], Content | None]
    """What stands under it, a pure function of the comparison; None for no section. One that raises
    costs its own section, and the report says so."""
