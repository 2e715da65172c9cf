"""The rows of files and folders of data, as they stand there: a mapping of fields a row.

Nothing is guessed of a value. A field of a CSV file is the text between its delimiters, whatever a
table's reader would take for a number or for nothing, and a number in JSON keeps its digits.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import logging
import lzma
import re
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from llmbench.errors import DataError, message
from llmbench.text import listed, plural

Row = dict[str, Any]

COMPRESSED = {".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress}
MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
"""Byte order marks, and the encoding that each tells."""
INSTEAD = {
    ".txt": "plain text, which has no fields: write an object with input and target a line "
    "(JSONL), or take --task language-modelling",
    ".xlsx": "a spreadsheet: save it as CSV (UTF-8)",
    ".xls": "a spreadsheet: save it as CSV (UTF-8)",
    ".ods": "a spreadsheet: save it as CSV (UTF-8)",
    ".zst": "compressed with Zstandard: unpack it (zstd -d)",
    ".tar": "an archive: unpack it, and name the folder",
    ".tgz": "an archive: unpack it, and name the folder",
    ".7z": "an archive: unpack it, and name the folder",
    ".pkl": "a pickle, which can run code: write it as JSONL or Parquet",
    ".pt": "a pickle, which can run code: write it as JSONL or Parquet",
    ".py": "a loading script, which is not run: give the data that it loads",
    ".db": "a database: write its table as CSV or JSONL",
    ".sqlite": "a database: write its table as CSV or JSONL",
    ".yaml": "YAML: write it as JSON",
    ".yml": "YAML: write it as JSON",
    ".xml": "XML: write it as JSONL",
}
"""What files that are not read hold, by suffix, and what to do instead."""
SAVED = ("dataset_dict.json", "state.json")
"""Either one is in a folder that `save_to_disk` of `datasets` wrote."""


def read(path: Path, split: str | None = None, plain: bool = False) -> list[Row]:
    """The rows of a file, or of all files of one kind in a folder.

    `split` names one of the splits of a file or a folder that has several. `plain` has plain texts
    read as well, in pieces. DataError where something cannot be read, with its line or row.
    """
    readers = {**READERS, **PLAIN} if plain else READERS
    if path.is_dir() and any((path / name).is_file() for name in SAVED):
        return _saved(path, split)
    files = _files(path, readers)
    for file in files:
        if file.stat().st_size == 0:
            raise DataError(f"'{file.name}' is empty: give a file with at least one example.")
    splits: dict[str, list[Row]] = {}
    for file in files:
        for name, rows in readers[kind(file)](file).items():
            splits.setdefault(name, []).extend(rows)
    return _chosen(path, splits, split)


def kind(path: Path) -> str:
    """The suffix that says what is in a file, that of a compression left out."""
    packed = path.suffix.lower() in (*COMPRESSED, ".zip")
    inner = Path(path.stem).suffix if packed else path.suffix
    return inner.lower()


def _files(path: Path, readers: Mapping[str, Reader]) -> list[Path]:
    if path.is_file():
        if kind(path) not in readers:
            raise DataError(f"'{path.name}' is not read: {_instead(path)}.")
        return [path]
    files = sorted(p for p in path.iterdir() if p.is_file() and kind(p) in readers)
    if not files:
        raise DataError(
            f"'{path.name}' holds no JSONL, JSON, CSV, Parquet or Arrow file: give one of them."
        )
    kinds = sorted({kind(p) for p in files})
    if len({readers[k] for k in kinds}) > 1 and kinds != [".json", ".jsonl"]:
        raise DataError(f"'{path.name}' mixes {', '.join(kinds)}: keep one kind in a folder.")
    return files


def _instead(path: Path) -> str:
    suffix = path.suffix.lower()
    known = f"it is {INSTEAD[suffix]}" if suffix in INSTEAD else INSTEAD.get(kind(path))
    return known or "give JSONL, JSON, CSV, TSV, Parquet or Arrow, plain or as .gz, .bz2 or .xz"


def _chosen(path: Path, splits: dict[str, list[Row]], split: str | None) -> list[Row]:
    """The rows of the split that is named, or of the only one there is."""
    names = [name for name in splits if name]
    if split is not None:
        if split not in names:
            has = f"the splits {listed(names)}" if names else "no splits"
            raise DataError(f"'{path.name}' has {has}, not '{split}': name one that is there.")
        return splits[split]
    if len(splits) > 1:
        raise DataError(
            f"'{path.name}' has the splits {listed(names)}: name one, as in "
            f"'{path.name}:{names[0]}'."
        )
    return next(iter(splits.values()))


def _bytes(file: Path) -> bytes:
    """What a file holds, unpacked."""
    suffix = file.suffix.lower()
    try:
        content = file.read_bytes()
        if suffix in COMPRESSED:
            return COMPRESSED[suffix](content)
        return _unzipped(file, content) if suffix == ".zip" else content
    except (OSError, EOFError, ValueError, lzma.LZMAError, zipfile.BadZipFile) as error:
        why = getattr(error, "strerror", None) or message(error) or type(error).__name__
        raise DataError(f"'{file.name}' cannot be read: {why.rstrip('.')}.") from None


def _unzipped(file: Path, content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [m for m in archive.namelist() if kind(Path(m)) == kind(file)]
        if len(members) != 1:
            raise DataError(
                f"'{file.name}' holds not one {kind(file)} file: unpack it, and name the folder."
            )
        return archive.read(members[0])


def _text(file: Path) -> str:
    """What a file of text holds: UTF-8, or what its byte order mark says."""
    content = _bytes(file)
    encoding = next((name for mark, name in MARKS if content.startswith(mark)), "utf-8-sig")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(
            f"'{file.name}' is not UTF-8 text (line {line}, {error.reason}): save it as UTF-8; "
            "where it is Windows' own encoding, 'iconv -f cp1252 -t utf-8' does that."
        ) from None


# JSON.


def _json_lines(file: Path) -> dict[str, list[Row]]:
    text = _text(file)
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            value = _parsed(line, f"'{file.name}' line {number}")
            rows.append(_object(value, file, f"line {number}"))
    return {"": rows}


def _json(file: Path) -> dict[str, list[Row]]:
    """A list of objects, objects one after the other, columns, or any of those in a wrapper."""
    text = _text(file)
    first, _, rest = text.lstrip().partition("\n")
    if first.rstrip().endswith("}") and rest.strip() and _is_json(first):
        return _json_lines(file)
    values = _values(text, file)
    if len(values) > 1:
        return {"": [_object(v, file, f"object {i}") for i, v in enumerate(values, start=1)]}
    splits = _splits(values[0]) if isinstance(values[0], dict) else {"": values[0]}
    if not isinstance(values[0], dict | list):
        raise DataError(f"'{file.name}' is neither a list of JSON objects nor an object: mend it.")
    return {
        name: [_object(v, file, f"row {i}") for i, v in enumerate(_unwrapped(rows), start=1)]
        for name, rows in splits.items()
    }


def _splits(content: Row) -> dict[str, list[Any]]:
    """The rows in an object: of columns, of one list among other things, or of several splits."""
    if isinstance(content.get("columns"), list) and isinstance(content.get("data"), list):
        # What pandas writes with orient="split".
        return {
            "": [dict(zip(content["columns"], values, strict=False)) for values in content["data"]]
        }
    columns = list(content.values())
    if columns and all(isinstance(c, dict) for c in columns):
        if all(name.isdigit() for name in content):  # pandas, orient="index"
            return {"": columns}
        if all(c.keys() == columns[0].keys() for c in columns):  # pandas, by default
            return {"": [{n: c[key] for n, c in content.items()} for key in columns[0]]}
    tables = {n: v for n, v in content.items() if _is_table(v)}
    if tables:
        return {"": next(iter(tables.values()))} if len(tables) == 1 else tables
    if columns and all(isinstance(c, list) and len(c) == len(columns[0]) for c in columns):
        return {
            "": [dict(zip(content, values, strict=True)) for values in zip(*columns, strict=True)]
        }
    return {"": [content]}


def _is_table(value: Any) -> bool:
    """Whether it can be rows; a conversation, whose messages name who speaks, is one row's."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(v, dict) for v in value)
        and not {"role", "from"} & value[0].keys()
    )


def _unwrapped(rows: list[Any]) -> list[Any]:
    """The questions of SQuAD's own file, which lie in paragraphs, and those in articles."""
    if not all(isinstance(row, dict) and isinstance(row.get("paragraphs"), list) for row in rows):
        return rows
    return [
        {"title": article.get("title"), "context": paragraph.get("context"), **question}
        for article in rows
        for paragraph in article["paragraphs"]
        for question in paragraph.get("qas", ())
    ]


def _object(value: Any, file: Path, where: str) -> Row:
    if not isinstance(value, dict):
        raise DataError(f"'{file.name}' {where} is not a JSON object: mend that line.")
    return value


def _values(text: str, file: Path) -> list[Any]:
    """The values that a text of JSON holds, one after the other."""
    values: list[Any] = []
    position = _next(text, 0)
    while not values or position < len(text):
        try:
            value, end = DECODER.raw_decode(text, position)
        except ValueError as error:
            raise DataError(f"'{file.name}' is not JSON ({error}): mend it.") from None
        except RecursionError:
            raise DataError(f"'{file.name}' is nested too deeply: mend it.") from None
        values.append(value)
        position = _next(text, end)
    return values


def _next(text: str, position: int) -> int:
    """Where the next value starts, white space left out."""
    match = BLANK.match(text, position)
    return match.end() if match else position


def _nothing(constant: str) -> None:
    """What NaN and the infinities are, which pandas writes for a value that is missing."""


BLANK = re.compile(r"\s*")
DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_nothing)
"""Keeps the digits of a number, so that it can be a text as it stands in the file."""


def _parsed(text: str, what: str) -> Any:
    try:
        return DECODER.decode(text)
    except ValueError as error:
        raise DataError(f"{what} is not JSON ({error}): mend it.") from None
    except RecursionError:
        raise DataError(f"{what} is nested too deeply: mend it.") from None


def _is_json(text: str) -> bool:
    try:
        DECODER.decode(text)
    except (ValueError, RecursionError):
        return False
    return True


# Tables.


def _csv(file: Path) -> dict[str, list[Row]]:
    """The records of a table of text, its first one naming the fields."""
    text = _text(file)
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text, kind(file)))
    try:
        header = next(reader, [])
        return {"": list(_records(reader, header, file))}
    except csv.Error as error:
        raise DataError(
            f"'{file.name}' line {reader.line_num} is not CSV ({error}): mend it."
        ) from None


def _delimiter(text: str, suffix: str) -> str:
    """What stands between fields: of a semicolon, a tab or a bar, where the header has no comma."""
    if suffix == ".tsv":
        return "\t"
    header = text.lstrip().partition("\n")[0]
    return max(",;\t|", key=header.count)


def _records(reader: Any, header: list[str], file: Path) -> Iterator[Row]:
    names = [name.strip() for name in header]
    while names and not names[-1]:  # the header's line ends in a delimiter, too
        names.pop()
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice is not None:
        raise DataError(f"'{file.name}' has two columns called '{twice}': rename one.")
    before = reader.line_num
    for fields in reader:
        line, before = before + 1, reader.line_num
        if not fields:
            continue
        if any(fields[len(names) :]):
            raise DataError(
                f"'{file.name}' line {line} has {len(fields)} fields where the header has "
                f"{len(names)}: put quotes around texts with a delimiter in them."
            )
        if len(fields) < len(names):
            raise DataError(
                f"'{file.name}' line {line} has {plural(len(fields), 'field')} where "
                f"the header has {len(names)}: mend that line."
            )
        yield dict(zip(names, fields, strict=False))


def _arrow_table(load: Callable[[Any], Any]) -> Callable[[Path], dict[str, list[Row]]]:
    """A reader of what Arrow reads."""

    def rows(file: Path) -> dict[str, list[Row]]:
        import pyarrow as pa

        try:
            return {"": load(pa.BufferReader(_bytes(file))).to_pylist()}
        except (pa.ArrowException, OSError, ValueError) as error:
            raise DataError(f"'{file.name}' cannot be read: {first_line(error)}.") from None

    return rows


def _parquet(buffer: Any) -> Any:
    import pyarrow.parquet as pq

    return pq.read_table(buffer)


def _arrow(buffer: Any) -> Any:
    """A file of Arrow's: the kind that can be read anywhere, or the one that is a stream."""
    import pyarrow as pa

    try:
        return pa.ipc.open_file(buffer).read_all()
    except pa.ArrowInvalid:
        buffer.seek(0)
        return pa.ipc.open_stream(buffer).read_all()


def _saved(path: Path, split: str | None) -> list[Row]:
    """The rows of a folder that `save_to_disk` wrote."""
    import datasets

    datasets.disable_progress_bars()
    datasets.utils.logging.set_verbosity(logging.CRITICAL)  # the error that follows says it
    try:
        content = datasets.load_from_disk(str(path), keep_in_memory=False)
        tables = content if isinstance(content, dict) else {"": content}
        if split is None and len(tables) > 1:
            return _chosen(path, {name: [] for name in tables}, None)
        return _chosen(
            path, {n: t.to_list() for n, t in tables.items() if split in (None, n)}, split
        )
    except DataError:
        raise
    except Exception as error:  # `datasets` wraps whatever its readers raise
        raise DataError(f"'{path.name}' cannot be read: {first_line(error)}.") from None


def first_line(error: BaseException) -> str:
    """The first line of what an error says."""
    said = message(error).strip().split("\n")[0].rstrip(".")
    return said or type(error).__name__


def _plain(file: Path) -> dict[str, list[Row]]:
    """Pieces of a text, each of whole lines where they are not longer than one."""
    pieces = [""]
    for line in _text(file).splitlines(keepends=True):
        if len(pieces[-1]) + len(line) > PIECE and pieces[-1]:
            pieces.append("")
        pieces[-1] += line
    parts = (p[i : i + PIECE] for p in pieces for i in range(0, max(1, len(p)), PIECE))
    return {"": [{"text": part} for part in parts]}


PIECE = 1000
"""Characters of a piece of a plain text, at most."""
Reader = Callable[[Path], dict[str, list[Row]]]
READERS: dict[str, Reader] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json,
    ".csv": _csv,
    ".tsv": _csv,
    ".parquet": _arrow_table(_parquet),
    ".arrow": _arrow_table(_arrow),
    ".feather": _arrow_table(_arrow),
}
"""By suffix: what reads the rows of each split; a file without splits has one without a name."""
PLAIN: dict[str, Reader] = {".txt": _plain}
"""What has no fields, for those who ask for nothing but text."""
