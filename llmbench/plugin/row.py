"""What a row of data has in a field, as tasks and formats read it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

Row = Mapping[str, Any]
LANGUAGES = {
    "ar": "Arabic", "cs": "Czech", "de": "German", "en": "English", "es": "Spanish",
    "fi": "Finnish", "fr": "French", "hi": "Hindi", "it": "Italian", "ja": "Japanese",
    "ko": "Korean", "nl": "Dutch", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian",
    "ru": "Russian", "sv": "Swedish", "tr": "Turkish", "uk": "Ukrainian", "zh": "Chinese",
}  # fmt: skip
"""What prompts call the languages that data name by a code."""


class Unusable(ValueError):
    """What is wrong with a row, to follow `'train.jsonl' row 3 has`."""


def value(row: Row, field: str) -> Any:
    """What a row has in a field; with dots in its name, in a field of a field."""
    if field in row or "." not in field:
        return row.get(field)
    outer, _, inner = field.partition(".")
    content = row.get(outer)
    return value(content, inner) if isinstance(content, Mapping) else None


def text(content: Any) -> str | None:
    """A value as text, as it stands in the file; None for one that is no text."""
    if isinstance(content, bool):
        return str(content).lower()
    if isinstance(content, str | int | float | Decimal):
        return None if content != content else str(content)
    return None


def words(row: Row, field: str) -> str:
    """The text in a field; Unusable where there is none."""
    content = text(value(row, field))
    if content is None or not content.strip():
        raise Unusable(f"no text in '{field}'")
    return content


def references(row: Row, field: str) -> tuple[str, ...]:
    """The texts in a field: one, a list of them, or SQuAD's mapping with such a list."""
    content = value(row, field)
    if isinstance(content, Mapping):
        content = content.get("text")
    several = content if isinstance(content, list | tuple) else [content]
    texts = [text(h.get("text") if isinstance(h, Mapping) else h) for h in several]
    if not texts or None in texts:
        raise Unusable(f"no text in '{field}'")
    if not all(f and f.strip() for f in texts):
        raise Unusable(f"an empty target in '{field}'")
    return tuple(dict.fromkeys(f for f in texts if f))
