"""Reading the rows of data files: JSONL, JSON, CSV and Parquet, each as dictionaries.

JSON is read with Python's own reader: it never crashes, and knows the line of a mistake.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from llmbench.errors import DataError

Row = dict[str, Any]
SUFFIXES = (".jsonl", ".json", ".csv", ".parquet")


def read(path: Path) -> list[Row]:
    """The rows of a file, or of all files of one kind in a folder; DataError where one is wrong."""
    found = _files(path)
    for file in found:
        if file.stat().st_size == 0:
            raise DataError(f"'{file.name}' is empty: give a file with at least one example.")
    reader = READERS[found[0].suffix.lower()]
    return [row for file in found for row in reader(file)]


def _files(path: Path) -> list[Path]:
    if path.is_file():
        found = [path]
    else:
        found = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
    kinds = sorted({p.suffix.lower() for p in found})
    if not found or not set(kinds) <= set(SUFFIXES):
        raise DataError(
            f"'{path.name}' holds no JSONL, JSON, CSV or Parquet file: give one of them."
        )
    if len(kinds) > 1 and kinds != [".json", ".jsonl"]:
        raise DataError(f"'{path.name}' mixes {', '.join(kinds)}: keep one kind in a folder.")
    return found


def _json_lines(file: Path) -> Iterator[Row]:
    for number, line in enumerate(_text(file).split("\n"), start=1):
        if line.strip():
            yield _object(_parsed(line, f"'{file.name}' line {number}"), file, f"line {number}")


def _json(file: Path) -> Iterator[Row]:
    """The objects of a list, the rows of an object of columns, or an object a line after all."""
    text = _text(file)
    first, _, rest = text.lstrip().partition("\n")
    if first.rstrip().endswith("}") and rest.strip() and _is_json(first):
        yield from _json_lines(file)
        return
    content = _parsed(text, f"'{file.name}'")
    if isinstance(content, dict):
        content = _from_columns(content)
    if not isinstance(content, list):
        raise DataError(f"'{file.name}' is neither a list of JSON objects nor an object: mend it.")
    for number, item in enumerate(content, start=1):
        yield _object(item, file, f"row {number}")


def _from_columns(content: Row) -> list[Any]:
    columns = list(content.values())
    if not columns or not all(isinstance(c, list) and len(c) == len(columns[0]) for c in columns):
        return [content]
    return [dict(zip(content, values, strict=True)) for values in zip(*columns, strict=True)]


def _object(value: Any, file: Path, where: str) -> Row:
    if not isinstance(value, dict):
        raise DataError(f"'{file.name}' {where} is not a JSON object: mend that line.")
    return value


def _parsed(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise DataError(f"{what} is not JSON ({error}): mend it.") from None
    except RecursionError:
        raise DataError(f"{what} is nested too deeply: mend it.") from None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"'{file.name}' is not UTF-8 text ({error.reason}): convert it.") from None
    except OSError as error:
        raise DataError(f"'{file.name}' cannot be read: {error.strerror}.") from None


def _loaded(builder: str) -> Callable[[Path], list[Row]]:
    """A reader through `datasets`."""

    def load(file: Path) -> list[Row]:
        import datasets

        datasets.disable_progress_bars()
        datasets.utils.logging.set_verbosity(logging.CRITICAL)  # the error that follows says it
        with tempfile.TemporaryDirectory(prefix="llmbench-data-") as cache:
            try:
                loaded = datasets.load_dataset(
                    builder,
                    data_files=[str(file)],
                    split="train",
                    cache_dir=cache,
                    keep_in_memory=True,
                )
                return list(loaded.to_list())
            except Exception as error:  # `datasets` wraps whatever its readers raise
                if "corresponds to no data" in str(error):  # a header and no rows
                    return []
                why = first_line(error.__cause__ or error)
                raise DataError(f"'{file.name}' cannot be read: {why}.") from None

    return load


def first_line(error: BaseException) -> str:
    """The first line of what an error says."""
    return str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__


READERS: dict[str, Callable[[Path], Iterator[Row] | list[Row]]] = {
    ".jsonl": _json_lines,
    ".json": _json,
    ".csv": _loaded("csv"),
    ".parquet": _loaded("parquet"),
}
"""By suffix."""
