"""Reading one stored file, whatever has become of it since it was written."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from llmbench.errors import StoreError
from llmbench.plugin.scoring import meaning
from llmbench.record.record import SCHEMA_VERSION, Record

Content = dict[str, Any]


def from_1(content: Content) -> Content:
    """Version 2 only added fields, each with a default that means 'not measured'."""
    return content


def from_2(content: Content) -> Content:
    """Version 3 has several precisions in bf16; the only one before was `bf16-true`."""
    return {name: _renamed(value) for name, value in content.items()}


def _renamed(value: Any) -> Any:
    """The value with the precision in every dictionary of settings under its new name."""
    if isinstance(value, dict):
        renamed = {name: _renamed(content) for name, content in value.items()}
        if renamed.get("precision") == "bf16":
            renamed["precision"] = "bf16-true"
        return renamed
    return [_renamed(content) for content in value] if isinstance(value, list) else value


STEPS: dict[int, Callable[[Content], Content]] = {1: from_1, 2: from_2}
"""By the version that they start from."""


def migrate(content: Content) -> Content:
    """The content as the present version has it."""
    for version in range(content["schema_version"], SCHEMA_VERSION):
        content = {**STEPS[version](content), "schema_version": version + 1}
    return content


FILE_NAME = re.compile(r"[^/\\\0]+")
T = TypeVar("T", bound=BaseModel)

MOST_BYTES = 2**28
"""Size of the largest file that is read; a record of 10,000 steps has about 2 MB."""


def read_record(path: Path) -> Record:
    """Read and validate one record. Raises StoreError, which names the file."""
    record = with_measures(validated(Record, path, "a record"))
    if not FILE_NAME.fullmatch(record.cell.id):
        raise StoreError(f"{path.name!r} is not a record (its cell's id cannot be a file's name).")
    return record


def validated(kind: type[T], path: Path, what: str) -> T:
    """Read a file as that model. Raises StoreError, which names the file."""
    try:
        return kind.model_validate(_content(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(p) for p in first["loc"])
        problem = "missing" if first["type"] == "missing" else "it cannot be that"
        raise StoreError(f"{path.name!r} is not {what} ({where}: {problem}).") from None


def read_text(path: Path) -> str:
    """The text of an ordinary file; StoreError for anything else.

    A link may lead out of the directory, which may have come from somebody else; a pipe would be
    waited for without end.
    """
    try:
        if path.is_symlink() or not path.is_file():
            raise StoreError(f"{path.name!r} cannot be read (it is no ordinary file).")
        if path.stat().st_size > MOST_BYTES:
            raise StoreError(f"{path.name!r} cannot be read (it is too large to be llmbench's).")
        return path.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise StoreError(f"{path.name!r} cannot be read ({_why(error)}).") from None


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, UnicodeError):
        return "it is not UTF-8 text"
    return getattr(error, "strerror", None) or str(error)


def _content(path: Path) -> dict[str, Any]:
    text = read_text(path)
    try:
        content = json.loads(text)
        if "\\ud" in text.lower():  # half a character, which nothing could write again
            json.dumps(content, ensure_ascii=False).encode()
    except ValueError as error:
        raise StoreError(f"{path.name!r} cannot be read ({_why(error)}).") from None
    except RecursionError:
        raise StoreError(f"{path.name!r} cannot be read (it is nested too deeply).") from None
    version = content.get("schema_version") if isinstance(content, dict) else None
    if type(version) is not int or version < 1:
        raise StoreError(f"{path.name!r} is not a file of llmbench's.")
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{path.name!r} was written by a newer llmbench (schema {version}, "
            f"this one reads {SCHEMA_VERSION}): upgrade llmbench."
        )
    return migrate(content)


def with_measures(record: Record) -> Record:
    """The record with its scores' meaning, where that is not in it and the metrics tell it.

    Records had none before metrics declared their scores.
    """
    names = set(record.corpus_scores).union(*(e.scores for e in record.examples[:1]))
    if record.measures or not names:
        return record
    known = [m for text in record.cell.metrics for m in meaning(text) if m.id in names]
    return record.model_copy(update={"measures": tuple(known)})
