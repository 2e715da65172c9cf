"""Files as programs export them: each is read as it stands, or refused with the way out."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zipfile

import pytest

from llmbench.errors import DataError
from llmbench.source import reader

ROWS = [{"dialogue": "Hi.\nHello, you.", "summary": "é 1"}, {"dialogue": "Bye.", "summary": "NA"}]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
COLUMNS = {key: [row[key] for row in ROWS] for key in ROWS[0]}


@pytest.fixture
def read(tmp_path):
    """Reads content from a file of that name."""

    def from_file(name: str, content: str | bytes, split: str | None = None) -> list[reader.Row]:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return reader.read(path, split)

    return from_file


def csv(delimiter: str = ",", end: str = "\n", tail: str = "") -> str:
    rows = [f'"Hi.\nHello, you."{delimiter}é 1{tail}', f"Bye.{delimiter}NA{tail}"]
    return end.join([f"dialogue{delimiter}summary", *rows, ""])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", csv()),
        ("a.csv", csv(";")),
        ("a.csv", "\ufeff" + csv(end="\r\n")),
        ("a.csv", csv().encode("utf-16")),
        ("a.csv", csv(tail=",")),
        ("a.tsv", csv("\t")),
        ("a.jsonl", LINES),
        ("a.ndjson", LINES),
        ("a.jsonl", "\ufeff" + LINES.replace("\n", "  \r\n\r\n")),
        ("a.jsonl", LINES.encode("utf-16")),
        ("a.jsonl.gz", gzip.compress(LINES.encode(), mtime=0)),
        ("a.jsonl.bz2", bz2.compress(LINES.encode())),
        ("a.jsonl.xz", lzma.compress(LINES.encode())),
        ("a.json", json.dumps(ROWS)),
        ("a.json", LINES),
        ("a.json", "\n\n".join(json.dumps(row, indent=2) for row in ROWS)),
        ("a.json", json.dumps({"version": "1", "data": ROWS})),
        ("a.json", json.dumps(COLUMNS)),
        ("a.json", json.dumps({k: dict(enumerate(v)) for k, v in COLUMNS.items()})),
        ("a.json", json.dumps(dict(enumerate(ROWS)))),
        ("a.json", json.dumps({"columns": [*ROWS[0]], "data": [[*r.values()] for r in ROWS]})),
    ],
)
def test_the_same_rows_come_of_every_kind_of_file(read, name, content):
    assert read(name, content) == ROWS


@pytest.mark.parametrize("said", ["None", "NA", "null", "nan", "00123", "1.10", "TRUE", ""])
def test_a_field_of_a_table_is_the_text_that_stands_there(read, said):
    assert read("a.csv", f"text,summary\na,{said}\n") == [{"text": "a", "summary": said}]
    assert read("a.csv", f'text,summary\na,"{said}"\n') == [{"text": "a", "summary": said}]


def test_a_record_with_a_field_too_many_is_named_by_its_line(read):
    content = 'text,summary\n"a\nb",c\nd,e,f\n'
    with pytest.raises(DataError, match=r"'a\.csv' line 4 has 3 fields where the header has 2"):
        read("a.csv", content)
    with pytest.raises(DataError, match="line 2 has 1 field where the header has 2"):
        read("a.csv", "text,summary\na\n")
    with pytest.raises(DataError, match="two columns called 'text'"):
        read("a.csv", "text,text\na,b\n")


def test_splits_in_a_file_are_named(read):
    content = json.dumps({"train": ROWS, "test": ROWS[:1]})
    assert read("a.json", content, "test") == ROWS[:1]
    with pytest.raises(DataError, match=r"train and test: name one, as in 'a.json:train'"):
        read("a.json", content)
    with pytest.raises(DataError, match="not 'dev': name one that is there"):
        read("a.json", content, "dev")


def test_squads_own_file_is_a_row_a_question(read):
    question = {"question": "Who?", "answers": [{"text": "Ann", "answer_start": 0}], "id": "1"}
    article = {"title": "t", "paragraphs": [{"context": "Ann sat.", "qas": [question]}]}
    found = read("a.json", json.dumps({"version": "2", "data": [article]}))
    assert found == [{"title": "t", "context": "Ann sat.", **question}]


def test_folders_of_save_to_disk_are_read(tmp_path):
    import datasets

    table = datasets.Dataset.from_list(ROWS)
    table.save_to_disk(tmp_path / "one")
    datasets.DatasetDict({"train": table, "test": table.select([0])}).save_to_disk(tmp_path / "two")
    assert reader.read(tmp_path / "one") == reader.read(tmp_path / "two", "train") == ROWS
    with pytest.raises(DataError, match="has the splits train and test: name one"):
        reader.read(tmp_path / "two")


def test_arrow_and_parquet_keep_what_is_nested(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"translation": {"en": "Yes.", "de": "Ja."}, "answers": {"text": ["a"]}}]
    table = pa.Table.from_pylist(rows)
    pq.write_table(table, tmp_path / "a.parquet")
    with pa.ipc.new_stream(str(tmp_path / "a.arrow"), table.schema) as writer:
        writer.write_table(table)
    assert reader.read(tmp_path / "a.parquet") == reader.read(tmp_path / "a.arrow") == rows


def test_a_zip_with_one_file_is_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.jsonl.zip", "w") as archive:
        archive.writestr("a.jsonl", LINES)
    assert reader.read(tmp_path / "a.jsonl.zip") == ROWS


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.xlsx", "a spreadsheet: save it as CSV"),
        ("a.jsonl.zst", "unpack it"),
        ("a.txt", "plain text, which has no fields"),
        ("a.pkl", "a pickle, which can run code"),
        ("a.py", "a loading script, which is not run"),
        ("a.doc", "give JSONL, JSON, CSV"),
    ],
)
def test_what_is_not_read_is_named_with_the_way_out(read, name, said):
    with pytest.raises(DataError, match=said):
        read(name, "x")


def test_windows_own_encoding_is_refused_with_the_way_out(read):
    with pytest.raises(DataError, match=r"not UTF-8 text \(line 2, .*iconv -f cp1252 -t utf-8"):
        read("a.csv", csv().encode("cp1252").replace(b"Hi.\n", b"Hi."))


def test_nothing_in_json_is_no_text(read):
    assert read("a.jsonl", '{"a": NaN, "b": null}') == [{"a": None, "b": None}]


def test_a_damaged_archive_cannot_be_read(read):
    with pytest.raises(DataError, match=r"'a\.jsonl\.gz' cannot be read"):
        read("a.jsonl.gz", b"\x1f\x8bno")
