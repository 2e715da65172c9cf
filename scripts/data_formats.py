"""Small files of the kinds that data come in, and how each is read: for docs/compatibility.md."""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from llmbench.errors import UserError
from llmbench.plugin.task import Task
from llmbench.source import data
from llmbench.source.formats import FORMATS

ROWS = [{"text": f"Question {n}?", "summary": f"It is {n}."} for n in range(3)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)
CSV = "text,summary\n" + "".join(f"{r['text']},{r['summary']}\n" for r in ROWS)
TASK = Task("summarization", "", "{input}")


def _parquet(path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(ROWS), path)


def _saved(path: Path) -> None:
    import datasets

    datasets.disable_progress_bars()
    datasets.Dataset.from_list(ROWS).save_to_disk(path)


KINDS: tuple[tuple[str, str, str | bytes | Callable[[Path], None]], ...] = (
    ("JSON lines", "a.jsonl", LINES),
    ("JSON lines, gzip", "a.jsonl.gz", gzip.compress(LINES.encode())),
    ("JSON lines, UTF-16", "a.jsonl", LINES.encode("utf-16")),
    ("JSON, a list", "a.json", json.dumps(ROWS)),
    ("JSON, a wrapper", "a.json", json.dumps({"version": 1, "data": ROWS})),
    ("JSON, splits", "a.json", json.dumps({"train": ROWS, "test": ROWS})),
    ("JSON, columns", "a.json", json.dumps({k: [r[k] for r in ROWS] for k in ROWS[0]})),
    ("JSON, objects in a row", "a.json", "\n".join(json.dumps(r, indent=1) for r in ROWS)),
    ("CSV", "a.csv", CSV),
    ("CSV, semicolons", "a.csv", CSV.replace(",", ";")),
    ("CSV, a delimiter too many at each end", "a.csv", CSV.replace(".\n", ".,\n")),
    ("CSV, a field too many", "a.csv", CSV.replace(".\n", ".,x\n")),
    ("CSV, Windows-1252", "a.csv", CSV.replace("It", "É").encode("cp1252")),
    ("TSV", "a.tsv", CSV.replace(",", "\t")),
    (
        "TSV, without a line of names",
        "a.tsv",
        "Paris\tAnn went to [MASK] in May, and came back in the autumn.\n" * 2,
    ),
    (
        "JSON lines, with pictures",
        "a.jsonl",
        json.dumps({"prompt": "Who?", "completion": "Ann", "images": ["a.png"]}),
    ),
    ("Parquet", "a.parquet", _parquet),
    ("a folder of `save_to_disk`", "saved", _saved),
    ("a spreadsheet", "a.xlsx", "x"),
    ("plain text", "a.txt", "x"),
    ("Zstandard", "a.jsonl.zst", "x"),
    ("a pickle", "a.pkl", "x"),
)
"""What it is called, the file's name, and its content or what writes it."""


def trials() -> Iterator[tuple[str, str]]:
    """Each kind of file, and `ok` or why it is refused."""
    for name, file, content in KINDS:
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / file
            if callable(content):
                content(path)
            else:
                path.write_bytes(content.encode() if isinstance(content, str) else content)
            yield name, _read(path)


def _read(path: Path) -> str:
    try:
        found: Any = data.read(path, TASK)
    except UserError as error:
        return f"refused: {error}"
    return "ok" if [e.input for e in found.examples] == [r["text"] for r in ROWS] else "wrong"


def formats() -> Iterator[tuple[str, str, str]]:
    """Each format that is known by its fields: its name, its prompt's fields, its target's."""
    for form in FORMATS:
        optional = f" ({', '.join(form.optional)})" if form.optional else ""
        yield form.name, f"{', '.join(form.inputs)}{optional}".strip(), form.target


def section() -> str:
    """Both, in Markdown."""

    def table(*rows: tuple[str, ...]) -> str:
        return "".join(f"| {' | '.join(row)} |\n" for row in rows)

    files = table(("kind of file", "comes to"), ("---",) * 2, *trials())
    head = ("format", "prompt from", "target from")
    return f"## Data\n\n{files}\n{table(head, ('---',) * 3, *formats())}"
