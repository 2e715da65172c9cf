"""Reading data: files, folders and hub datasets, through `datasets`, into checked examples."""

from __future__ import annotations

import hashlib
import json
import logging
import random
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from llmbench import redact
from llmbench.errors import DataError, nearest
from llmbench.record import DataRef
from llmbench.task import Task

BUILDERS = {".jsonl": "json", ".json": "json", ".csv": "csv", ".parquet": "parquet"}
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
    columns = list(rows[0])
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


def lines(examples: Sequence[Example]) -> str:
    """The examples as JSON lines, which is how the worker gets them."""
    return "".join(json.dumps(asdict(e), ensure_ascii=False) + "\n" for e in examples)


def load_lines(path: Path) -> list[Example]:
    """Read back what `lines` wrote."""
    rows = (json.loads(line) for line in path.read_text("utf-8").split("\n") if line)
    return [Example(r["id"], r["input"], tuple(r["references"])) for r in rows]


def _rows(source: str) -> tuple[str, list[dict[str, Any]]]:
    path = Path(source).expanduser()
    if path.exists():
        return redact.text(path.name), _local_rows(path)
    if HUB_ID.fullmatch(source) and not path.suffix:
        return source, _hub_rows(source)
    beside = path.parent.iterdir() if path.parent.is_dir() else ()
    siblings = [p.name for p in beside if p.suffix.lower() in BUILDERS]
    hint = f" {nearest(path.name, siblings)}" if siblings else " check the path."
    raise DataError(f"There is no data file '{source}':{hint}")


def _local_rows(path: Path) -> list[dict[str, Any]]:
    files = _files(path)
    for file in files:
        if file.stat().st_size == 0:
            raise DataError(f"'{file.name}' is empty: give a file with at least one example.")
    try:
        return _load(BUILDERS[files[0].suffix.lower()], [str(f) for f in files])
    except DataError:
        raise
    except Exception as error:  # `datasets` wraps whatever its readers raise
        if "corresponds to no data" in str(error):  # a table with a header and no rows
            return []
        for file in files:
            _name_the_line(file)
        cause = error.__cause__ or error
        raise DataError(f"'{path.name}' cannot be read: {_first_line(cause)}.") from None


def _files(path: Path) -> list[Path]:
    if path.is_file():
        found = [path]
    else:
        found = sorted(p for p in path.iterdir() if p.suffix.lower() in BUILDERS)
    kinds = {p.suffix.lower() for p in found}
    if not found or not kinds <= set(BUILDERS):
        raise DataError(
            f"'{path.name}' holds no JSONL, JSON, CSV or Parquet file: give one of them."
        )
    if len({BUILDERS[k] for k in kinds}) > 1:
        raise DataError(
            f"'{path.name}' mixes {', '.join(sorted(kinds))}: keep one kind in a folder."
        )
    return found


def _load(builder: str, files: list[str]) -> list[dict[str, Any]]:
    import datasets

    datasets.disable_progress_bars()
    datasets.utils.logging.set_verbosity(logging.CRITICAL)  # the error that follows says it all
    with tempfile.TemporaryDirectory(prefix="llmbench-data-") as cache:
        loaded = datasets.load_dataset(
            builder, data_files=files, split="train", cache_dir=cache, keep_in_memory=True
        )
        return list(loaded.to_list())


def _hub_rows(source: str) -> list[dict[str, Any]]:
    import datasets

    name, _, split = source.partition(":")
    datasets.disable_progress_bars()
    try:
        return list(datasets.load_dataset(name, split=split or "train").to_list())
    except Exception as error:  # the hub's client raises a dozen unrelated types
        raise DataError(
            f"The dataset '{name}' cannot be loaded ({_first_line(error)}): "
            "give a file, or check the name and the connection."
        ) from None


def _name_the_line(file: Path) -> None:
    """Raise a DataError that names the first line of a JSONL file that is no JSON object."""
    if file.suffix.lower() != ".jsonl":
        return
    for number, line in enumerate(_text_lines(file), start=1):
        try:
            row = json.loads(line) if line.strip() else {}
        except ValueError as error:
            raise DataError(
                f"'{file.name}' line {number} is not JSON ({error}): mend it."
            ) from None
        if not isinstance(row, dict):
            raise DataError(f"'{file.name}' line {number} is not a JSON object: mend that line.")


def _text_lines(file: Path) -> Iterator[str]:
    try:
        with file.open(encoding="utf-8") as stream:
            yield from stream
    except UnicodeDecodeError as error:
        raise DataError(f"'{file.name}' is not UTF-8 text ({error.reason}): convert it.") from None


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
    return Example(row_id, text, tuple(references))


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
