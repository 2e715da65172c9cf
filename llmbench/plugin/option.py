"""Options in brackets, `lora(r=64)` or `rouge(tokenizer=character)`, read from what was typed."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from llmbench.errors import ConfigError, nearest, wrong
from llmbench.text import split_list


def read_options(
    name: str, text: str, error: type[ConfigError] = ConfigError, *, kept: str = ""
) -> dict[str, Any]:
    """The options by name, as typed; `error` for what is none, given twice, or called `kept`."""
    values: dict[str, Any] = {}
    for part in split_list(text):
        key, equals, value = (p.strip() for p in part.partition("="))
        if not equals or not key or not value:
            raise error(f"'{part}' in '{name}({text})' is not an option: write key=value.")
        if key in values:
            raise error(f"'{key}' is given twice in '{name}({text})': give it once.")
        if key == kept:
            raise error(f"'{key}' in '{name}({text})' goes behind a colon: write '{name}:{value}'.")
        values[key] = value
    return values


def option_error(kind: type[BaseModel], error: ValidationError, *, kept: str = "") -> str:
    """What is wrong with the first option that cannot be, in a sentence with a way out."""
    name, first = str(kind.id), error.errors()[0]  # type: ignore[attr-defined]
    option = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "extra_forbidden":
        fields = [field for field in kind.model_fields if field != kept]
        hint = nearest(option, fields) if fields else "it takes none."
        return f"'{name}' has no option '{option}': {hint}"
    if first["type"] == "missing":
        return f"'{name}' needs its option '{option}': write '{name}({option}=...)'."
    return f"'{name}({option}={first['input']})' cannot be: {wrong(first)}"
