from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmbench.errors import DataError
from llmbench.plugin.task import Example, Task
from llmbench.source import data as dataset
from llmbench.source.data import Data

TASK = Task("summarization", "", "{input}")
ROWS = [
    {"id": "a", "dialogue": "Hi.\nHello.", "summary": "A greeting."},
    {"id": "b", "dialogue": "Bye.", "summary": "A farewell."},
]
EXPECTED = (
    Example("a", "Hi.\nHello.", ("A greeting.",)),
    Example("b", "Bye.", ("A farewell.",)),
)


@pytest.fixture
def write(tmp_path):
    """Writes text, bytes or rows (as JSON lines) to a file of that name."""

    def into(name: str, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, list):
            content = "".join(json.dumps(row) + "\n" for row in content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return into


def refusal(path, **fields) -> str:
    with pytest.raises(DataError) as caught:
        dataset.read(path, TASK, **fields)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def write_rows(path, suffix):
    import pandas as pd

    table = pd.DataFrame(ROWS)
    if suffix == "csv":
        table.to_csv(path, index=False)
    elif suffix == "parquet":
        table.to_parquet(path)
    else:
        table.to_json(path, orient="records", lines=suffix == "jsonl")


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv", "parquet"])
def test_every_kind_of_file_reads_as_the_same_examples(tmp_path, suffix):
    path = tmp_path / f"rows.{suffix}"
    write_rows(path, suffix)
    found = dataset.read(path, TASK)
    assert found.examples == EXPECTED
    assert (found.name, found.input_field, found.target_field) == (path.name, "dialogue", "summary")


def test_a_folder_is_all_its_files_in_order(write):
    write("set/2.jsonl", ROWS[1:])
    folder = write("set/1.jsonl", ROWS[:1]).parent
    write("set/README.md", "about the set")
    assert dataset.read(folder, TASK).examples == EXPECTED


def test_several_references_are_kept_in_order(write):
    path = write("rows.jsonl", [{"text": "x", "summaries": ["one", "two", "three"]}])
    assert dataset.read(path, TASK).examples[0].references == ("one", "two", "three")


def test_a_given_field_goes_before_a_usual_one(write):
    path = write("rows.jsonl", [{"text": "t", "dialogue": "d", "summary": "s", "title": "y"}])
    found = dataset.read(path, TASK, input_field="text", target_field="title")
    assert found.examples == (Example("0", "t", ("y",)),)


def test_of_the_usual_fields_the_first_in_the_list_wins(write):
    path = write("rows.jsonl", [{"text": "t", "dialogue": "d", "target": "t", "summary": "s"}])
    assert dataset.read(path, TASK).examples == (Example("0", "d", ("s",)),)


@pytest.mark.parametrize(
    "rows",
    [
        [{"text": "x", "summary": "y"}, {"text": "v", "summary": "w"}],
        [{"id": "a", "text": "x", "summary": "y"}, {"id": "a", "text": "v", "summary": "w"}],
        [{"id": "1", "text": "x", "summary": "y"}, {"id": None, "text": "v", "summary": "w"}],
    ],
    ids=["none", "repeated", "some"],
)
def test_every_example_has_an_id_of_its_own(write, rows):
    found = dataset.read(write("rows.jsonl", rows), TASK).examples
    assert len({e.id for e in found}) == len(found)


def test_ids_of_the_data_are_kept(write):
    rows = [{"id": i, "text": "x", "summary": "y"} for i in (7, 0)]
    assert [e.id for e in dataset.read(write("r.jsonl", rows), TASK).examples] == ["7", "0"]


def test_a_file_that_is_not_there_gets_its_nearest_sibling(write):
    path = write("train.jsonl", ROWS)
    assert refusal(path.with_name("trian.jsonl")).endswith("did you mean 'train.jsonl'?")


@pytest.mark.parametrize("name", ["nope.csv", "x" * 300 + ".csv", "../" + "x" * 300 + "/y.csv"])
def test_a_file_like_none_that_is_there_gets_no_list_of_others(write, name):
    path = write("container_info.json", ROWS).parent / name
    assert refusal(path) == f"There is no data file '{path}': check the path."


def test_a_folder_that_is_not_there_is_not_looked_for_on_a_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refusal("./data").startswith("There is no data file './data'")


@pytest.mark.parametrize("content", ["", b""])
def test_an_empty_file_is_said_to_be_empty(write, content):
    assert refusal(write("rows.jsonl", content)).startswith("'rows.jsonl' is empty")


def test_a_table_without_rows_holds_no_examples(write):
    assert "holds no examples" in refusal(write("rows.csv", "dialogue,summary\n"))


def test_a_folder_without_data_says_what_to_give(write):
    folder = write("set/README.md", "nothing").parent
    assert "holds no JSONL, JSON, CSV, Parquet or Arrow file" in refusal(folder)


def test_a_folder_of_several_kinds_is_refused(write):
    write("set/rows.csv", "dialogue,summary\nx,y\n")
    folder = write("set/rows.jsonl", ROWS).parent
    assert refusal(folder) == "'set' mixes .csv, .jsonl: keep one kind in a folder."


def test_a_malformed_line_is_named_by_its_number(write):
    path = write("rows.jsonl", '{"text": "a", "summary": "b"}\n\n{"text": \n')
    assert refusal(path).startswith("'rows.jsonl' line 3 is not JSON (")


def test_a_line_that_is_no_object_is_named_by_its_number(write):
    path = write("rows.jsonl", '{"text": "a", "summary": "b"}\n["a", "b"]\n')
    assert refusal(path).startswith("'rows.jsonl' line 2 is not a JSON object")


def test_text_that_is_not_utf8_is_said_to_be_so(write):
    path = write("rows.jsonl", b'{"text": "caf\xe9", "summary": "b"}\n')
    assert refusal(path).startswith("'rows.jsonl' is not UTF-8 text")


def test_a_broken_parquet_file_cannot_be_read(write):
    assert refusal(write("rows.parquet", b"PAR1 but no more")).startswith("'rows.parquet' cannot")


def test_a_lacking_field_gets_the_nearest_one(write):
    path = write("rows.jsonl", ROWS)
    assert refusal(path, input_field="dialog") == (
        "'rows.jsonl' has no field 'dialog': did you mean 'dialogue'?"
    )


def test_without_a_usual_field_the_fields_are_listed_with_the_option(write):
    path = write("rows.jsonl", [{"chat": "x", "summary": "y"}])
    assert "(it has chat, summary): name it with --input-field." in refusal(path)


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"text": " ", "summary": "y"}, "no text in 'text'"),
        ({"text": None, "summary": "y"}, "no text in 'text'"),
        ({"text": "x", "summary": None}, "no text in 'summary'"),
        ({"text": "x", "summary": ""}, "an empty target in 'summary'"),
    ],
)
def test_a_row_without_text_is_named_by_its_number(write, row, what):
    path = write("rows.jsonl", [{"text": "x", "summary": "y"}, row])
    assert f"'rows.jsonl' row 2 has {what}" in refusal(path)


@pytest.mark.parametrize("targets", [[], ["fine", ""]])
def test_a_list_of_targets_must_hold_text(write, targets):
    path = write("rows.jsonl", [{"text": "x", "summary": ["y"]}, {"text": "x", "summary": targets}])
    assert "row 2 has" in refusal(path)


def many(count: int) -> Data:
    made = tuple(Example(str(i), f"input {i}", (f"target {i}",)) for i in range(count))
    return Data("many", made, "text", "summary")


def test_a_sample_keeps_the_original_order_and_draws_by_the_seed():
    chosen = [int(e.id) for e in dataset.sample(many(100), 10, seed=3).examples]
    assert chosen == sorted(set(chosen))
    assert len(chosen) == 10
    assert dataset.sample(many(100), 10, seed=3) == dataset.sample(many(100), 10, seed=3)
    assert dataset.sample(many(100), 10, seed=4) != dataset.sample(many(100), 10, seed=3)


def test_a_sample_of_more_than_there_are_is_all():
    assert dataset.sample(many(3), 10) == many(3)


def test_the_digest_follows_the_content_alone():
    data = many(3)
    changed = replace(data, examples=(*data.examples[:2], Example("2", "input 2", ("other",))))
    assert data.ref.sha256 == replace(data, name="elsewhere").ref.sha256 != changed.ref.sha256
    assert data.ref.examples == 3


text = st.text(min_size=1, max_size=40).filter(str.strip)


@given(st.lists(st.tuples(text, st.lists(text, min_size=1, max_size=3)), min_size=1, max_size=4))
def test_lines_read_back_as_what_was_written(tmp_path_factory, rows):
    examples = [Example(str(i), source, tuple(refs)) for i, (source, refs) in enumerate(rows)]
    path = tmp_path_factory.mktemp("lines") / "examples.jsonl"
    path.write_text(dataset.lines(examples), "utf-8", newline="\n")
    assert dataset.load_lines(path) == examples


def test_rejected_answers_are_kept_and_plain_pairs_have_the_digest_that_they_had(tmp_path):
    plain = Example("0", "input", ("good",))
    pair = replace(plain, rejected=("bad", "worse"))
    path = tmp_path / "pairs.jsonl"
    path.write_text(dataset.lines([pair, plain]), "utf-8")
    assert dataset.load_lines(path) == [pair, plain]
    assert "rejected" not in dataset.lines([plain])


@given(st.lists(st.tuples(text, text), min_size=1, max_size=4))
def test_any_text_in_jsonl_is_read_as_it_is(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    written = [{"text": source, "summary": target} for source, target in rows]
    path.write_text("".join(json.dumps(row) + "\n" for row in written))
    found = dataset.read(path, TASK).examples
    assert [(e.input, *e.references) for e in found] == rows


def test_rows_of_json_may_be_a_list_lines_or_columns(write):
    listed = dataset.read(write("list.json", json.dumps(ROWS)), TASK)
    lines = dataset.read(write("lines.json", ROWS), TASK)
    columns = {key: [row[key] for row in ROWS] for key in ROWS[0]}
    turned = dataset.read(write("columns.json", json.dumps(columns, indent=1)), TASK)
    assert listed.examples == lines.examples == turned.examples == EXPECTED


def test_a_field_that_the_first_row_lacks_is_found(write):
    rows = [{"text": "a", "summary": "b"}, {"text": "a", "dialogue": "c", "summary": "d"}]
    assert "row 1 has no text in 'dialogue'" in refusal(write("rows.jsonl", rows))


def test_text_that_looks_like_a_date_is_text(write):
    rows = [{"text": "2026-11-22T10:00:00", "summary": "2026-11-22"}]
    found = dataset.read(write("rows.jsonl", rows), TASK).examples
    assert found == (Example("0", rows[0]["text"], (rows[0]["summary"],)),)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rows.json", "{", "'rows.json' is not JSON ("),
        ("rows.json", "3", "is neither a list of JSON objects nor an object"),
        ("rows.json", '[{"text": "a", "summary": "b"}, 3]', "row 2 is not a JSON object"),
        ("rows.jsonl", "[" * 100_000, "line 1 is nested too deeply"),
        ("rows.jsonl", '{"text": "\\ud800", "summary": "b"}', "row 1 holds half a character"),
    ],
)
def test_json_that_is_none_is_a_sentence(write, name, content, said):
    assert said in refusal(write(name, content))


def test_a_mark_of_the_byte_order_is_no_text(write):
    path = write("rows.jsonl", "\ufeff" + json.dumps(ROWS[0]))
    assert dataset.read(path, TASK).examples == EXPECTED[:1]
