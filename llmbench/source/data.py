"""Data from files, folders and hub datasets, as checked examples."""

from __future__ import annotations

import difflib
import hashlib
import json
import logging
import random
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from llmbench import redact
from llmbench.errors import DataError, nearest
from llmbench.plugin.task import Task
from llmbench.record.record import DataRef
from llmbench.source import hub, model

Row = dict[str, Any]
SUFFIXES = (".jsonl", ".json", ".csv", ".parquet")


def read_rows(path: Path) -> list[Row]:
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


HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*(:\w+)?")


@dataclass(frozen=True)
class Example:
    """One input with the texts that are right for it; the first is the one to train on."""

    id: str
    input: str
    references: tuple[str, ...]


@dataclass(frozen=True)
class Data:
    """Examples, what they are called, and which fields they were read from."""

    name: str
    examples: tuple[Example, ...]
    input_field: str
    target_field: str

    @property
    def ref(self) -> DataRef:
        """Name, number and SHA-256 of the content."""
        digest = hashlib.sha256(lines(self.examples).encode()).hexdigest()
        return DataRef(name=self.name, examples=len(self.examples), sha256=digest)


def read(
    source: str | Path, task: Task, input_field: str | None = None, target_field: str | None = None
) -> Data:
    """Read every example of a file, a folder or a hub dataset; DataError where one is not right."""
    name, rows = _rows(str(source))
    if not rows:
        raise DataError(f"'{name}' holds no examples: give a file with at least one.")
    columns = list(dict.fromkeys(str(column) for row in rows for column in row))
    taken_input = _field(name, columns, input_field, task.input_fields, "input")
    taken_target = _field(name, columns, target_field, task.target_fields, "target")
    ids = _ids(rows)
    examples = tuple(
        _example(name, i, ids[i], row, taken_input, taken_target) for i, row in enumerate(rows)
    )
    return Data(name, examples, taken_input, taken_target)


def sample(data: Data, count: int, seed: int = 0) -> Data:
    """At most `count` examples, chosen by the seed, in their original order."""
    if len(data.examples) <= count:
        return data
    chosen = sorted(random.Random(seed).sample(range(len(data.examples)), count))
    picked = tuple(data.examples[i] for i in chosen)
    return Data(data.name, picked, data.input_field, data.target_field)


def hold_out(data: Data, evaluated: Data, most: int) -> tuple[Data, Data | None]:
    """The data without the examples to validate on, and those: a tenth, and `most` at most.

    They are chosen by their content, so that neither the order of a file nor what is added to it
    moves them. None is evaluated, and none is trained on, whatever the spaces in it.
    """
    taken = {key(e) for e in evaluated.examples}
    able = sorted({key(e) for e in data.examples} - taken)
    chosen = frozenset(able[: min(most, len(able) // 10)])
    if not chosen:
        return data, None
    kept = tuple(e for e in data.examples if key(e) not in chosen)
    first = {key(e): e for e in reversed(data.examples) if key(e) in chosen}
    held = tuple(first[k] for k in sorted(chosen))
    name = f"{data.name}, held out"
    return replace(data, examples=kept), replace(data, name=name, examples=held)


def without(data: Data, others: Sequence[Data]) -> Data:
    """The data without the examples whose input is in the others."""
    taken = {key(e) for other in others for e in other.examples}
    return replace(data, examples=tuple(e for e in data.examples if key(e) not in taken))


def key(example: Example) -> str:
    """A digest of the example's input, whatever its white space."""
    return hashlib.sha256(" ".join(example.input.split()).encode()).hexdigest()


def lines(examples: Sequence[Example]) -> str:
    """The examples as JSON lines, which is how the worker gets them."""
    return "".join(json.dumps(asdict(e), ensure_ascii=False) + "\n" for e in examples)


def load_lines(path: Path) -> list[Example]:
    """Read back what `lines` wrote."""
    rows = (json.loads(line) for line in path.read_text("utf-8").split("\n") if line)
    return [Example(r["id"], r["input"], tuple(r["references"])) for r in rows]


def _rows(source: str) -> tuple[str, list[dict[str, Any]]]:
    path = model.path_of(source)
    if path:
        return redact.text(path.name), read_rows(path)
    if HUB_ID.fullmatch(source) and not Path(source).suffix:
        return source, _hub_rows(source)
    close = difflib.get_close_matches(Path(source).name, _beside(source))
    hint = f"did you mean '{close[0]}'?" if close else "check the path."
    raise DataError(f"There is no data file '{source}': {hint}")


def _beside(source: str) -> list[str]:
    """Names of the data files in the folder that a path leads to."""
    folder = model.path_of(str(Path(source).parent))
    if not folder or not folder.is_dir():
        return []
    return [p.name for p in folder.iterdir() if p.suffix.lower() in SUFFIXES]


def _hub_rows(source: str) -> list[dict[str, Any]]:
    import datasets

    name, _, split = source.partition(":")
    datasets.disable_progress_bars()
    hub.begin()
    try:
        return list(datasets.load_dataset(name, split=split or "train").to_list())
    except Exception as error:  # the hub's client raises a dozen unrelated types
        raise DataError(
            f"The dataset '{name}' cannot be loaded ({first_line(error)}): "
            "give a file, or check the name and the connection."
        ) from None


def _field(
    name: str, columns: list[str], given: str | None, usual: Sequence[str], role: str
) -> str:
    if given:
        if given not in columns:
            raise DataError(f"'{name}' has no field '{given}': {nearest(given, columns)}")
        return given
    for candidate in usual:
        if candidate in columns:
            return candidate
    raise DataError(
        f"'{name}' has no field that is known as the {role} (it has {', '.join(columns)}): "
        f"name it with --{role}-field."
    )


def _ids(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The rows' own ids where each has one that no other has, else their numbers."""
    own = [str(row["id"]) for row in rows if row.get("id") not in (None, "")]
    return own if len(set(own)) == len(rows) else [str(i) for i in range(len(rows))]


def _example(
    name: str, index: int, row_id: str, row: dict[str, Any], source: str, target: str
) -> Example:
    text, wanted = row.get(source), row.get(target)
    references = [wanted] if isinstance(wanted, str) else wanted
    if not isinstance(text, str) or not text.strip():
        raise DataError(f"'{name}' row {index + 1} has no text in '{source}': mend or remove it.")
    if not isinstance(references, list) or not references:
        raise DataError(f"'{name}' row {index + 1} has no text in '{target}': mend or remove it.")
    if not all(isinstance(r, str) and r.strip() for r in references):
        raise DataError(f"'{name}' row {index + 1} has an empty target in '{target}': mend it.")
    if not all(map(_is_unicode, (row_id, text, *references))):
        raise DataError(f"'{name}' row {index + 1} holds half a character: mend it.")
    return Example(row_id, text, tuple(references))


def _is_unicode(text: str) -> bool:
    """Whether the text can be written: JSON can escape one half of a pair of surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
