"""A table, for every output: named columns, and a row of values for each name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

Kind = Literal["figure", "words", "text"]
"""What a column holds: figures, words that are set beside each other, or running text."""


@dataclass(frozen=True)
class Value:
    """What stands in one place of a table: for a person, and the plain numbers behind it."""

    text: str | Markup
    """Empty where it was not measured."""
    number: float | None = None
    low: float | None = None
    high: float | None = None
    """The ends of its 95 % interval."""
    sd: float | None = None
    """The standard deviation over the seeds, where there are several."""
    spread: str = ""
    """The same for a person, in the unit of `text`."""
    count: int = 0
    """How many seeds it was measured of."""
    detail: str = ""
    """The interval or a share, for a person."""
    beside: str = ""
    """What it was predicted to be."""
    mark: Literal["", "best", "level"] = ""
    absent: str = ""
    """Why there is no figure."""


@dataclass(frozen=True)
class Column:
    """One heading."""

    label: str
    kind: Kind = "figure"
    id: str = ""
    """Of the figure, where it is one; columns without are always shown."""
    meaning: str = ""
    better: str = "neither"
    shown: bool = True


@dataclass(frozen=True)
class Row:
    """One name with its values, as many as there are columns."""

    name: str | Markup
    values: tuple[Value, ...]
    number: int = 0
    """By which charts know the row; 0 where they do not."""
    status: str = ""
    good: bool = True
    skipped: bool = False
    cause: str = ""
    """Why it is not good, or what is to be known of it."""
    picked: bool = False
    details: tuple[tuple[str, int], ...] = ()
    """Its cells of which the page has details: their seeds, and their numbers there."""


@dataclass(frozen=True)
class Table:
    """All rows and all columns; the names stand in a column before those."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    first: str = "Method"
    """Above the names."""
    style: str = ""
    """Classes of the style sheet."""

    @property
    def figures(self) -> tuple[Column, ...]:
        """The columns that a reader may hide."""
        return tuple(column for column in self.columns if column.id)

    @property
    def header(self) -> tuple[str, ...]:
        """All headings."""
        return (self.first, *(column.label for column in self.columns))

    @property
    def texts(self) -> tuple[tuple[str, ...], ...]:
        """The rows as a person reads them, without markup and details."""
        return tuple(
            tuple(map(_text, (row.name, *(value.text for value in row.values))))
            for row in self.rows
        )


def _text(shown: str | Markup) -> str:
    return shown.striptags() if isinstance(shown, Markup) else shown


def plain(
    title: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str | Markup]],
    textual: Sequence[int] = (),
    style: str = "",
) -> Table:
    """A table of texts, the first of each row its name; `textual` columns hold no figures."""
    first, *labels = header
    columns = (
        Column(label, "words" if n in textual else "figure") for n, label in enumerate(labels, 1)
    )
    made = (Row(name, tuple(map(Value, values))) for name, *values in rows)
    return Table(title, tuple(columns), tuple(made), first, style)
