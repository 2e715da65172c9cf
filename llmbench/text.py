"""Texts for people: cut, listed, cleaned of what must not stand in a line."""

from __future__ import annotations

import re
from collections.abc import Sequence

LINE_ENDS = re.compile("\r\n|[\u2028\u2029]")
"""What ends a line besides a line feed."""
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""Control characters have no place in HTML or SVG; a line break and a tab do."""
DASH = "\N{EN DASH}"


def clean(text: str) -> str:
    """The text without characters that a page cannot hold."""
    return UNPRINTABLE.sub("\ufffd", LINE_ENDS.sub("\n", text))


def cut(text: str, limit: int) -> str:
    """The text, or its start and how much is left out."""
    text = clean(text)
    if len(text) <= limit:
        return text
    return f"{text[:limit].rstrip()} … ({len(text) - limit:,} more characters)"


def short(text: str, limit: int) -> str:
    """The text, or its start and an ellipsis."""
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def code(text: str) -> str:
    """A name between backticks, which the page sets as code."""
    return f"`{clean(text).replace('`', chr(39))}`"


def listed(items: Sequence[str], most: int = 6) -> str:
    """`a, b and c`; beyond `most`, how many more."""
    if len(items) > most:
        return f"{', '.join(items[:most])} and {len(items) - most} more"
    return " and ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))


def plural(count: int, noun: str) -> str:
    """`1 cell`, `2 cells`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of text, as wide as their widest cell."""
    table = [header, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    lines = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in table)
    return "\n".join(line.rstrip() for line in lines)


def split_list(text: str) -> list[str]:
    """Split at the commas that are not inside brackets; empty parts are dropped."""
    parts = re.split(r",(?![^()]*\))", text)
    return [p.strip() for p in parts if p.strip()]


def split_members(text: str) -> list[str]:
    """The labels of a composition's members: `lora(r=64)` and `4-bit` of `lora(r=64)+4-bit`."""
    return re.split(r"\+(?![^()]*\))", text)
