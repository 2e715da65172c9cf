"""Data as people have them: what is read of each format, what is left out, and what is refused."""

from __future__ import annotations

import json

import pytest

from llmbench.errors import DataError
from llmbench.plugin.task import Example, Task, Turn
from llmbench.source import data as dataset

TASK = Task("summarization", "", "Summarize.\n\n{input}\n\nSummary:")
SQUAD = {"text": ["Ann", "Anna"], "answer_start": [0, 0]}


@pytest.fixture
def read(tmp_path):
    """Reads rows from a file of JSON lines."""

    def rows(*given: dict, task: Task = TASK, **fields: str) -> dataset.Data:
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in given))
        return dataset.read(path, task, **fields)

    return rows


def prompt(example: Example, task: Task = TASK) -> str:
    """What the last turn says."""
    before, after = task.around(example)
    return f"{before}{example.input}{after}"


def said(role: str, text: str, roles: str = "role", content: str = "content") -> dict[str, str]:
    return {roles: role, content: text}


@pytest.mark.parametrize(
    ("row", "name", "asked", "answer"),
    [
        ({"instruction": "Name it.", "input": "A cat.", "output": "cat", "text": "All: cat"},
         "Alpaca", "Name it.\n\nA cat.\n\nAnswer:", "cat"),
        ({"instruction": "Name one.", "input": "", "output": "cat"},
         "Alpaca", "Name one.\n\nAnswer:", "cat"),
        ({"instruction": "Name one.", "output": "cat"}, "Alpaca", "Name one.\n\nAnswer:", "cat"),
        ({"instruction": "Who?", "context": "Ann sat.", "response": "Ann", "category": "qa"},
         "Dolly", "Who?\n\nAnn sat.\n\nAnswer:", "Ann"),
        ({"prompt": "Say hi.", "completion": "hi"}, "prompt and completion", "Say hi.", "hi"),
        ({"query": "Say hi.", "response": "hi"}, "query and response", "Say hi.", "hi"),
        ({"question": "How many?", "answer": "4"},
         "question and answer", "How many?\n\nAnswer:", "4"),
        ({"context": "Ann sat.", "question": "Who?", "answers": SQUAD, "title": "Ann"},
         "question on a context",
         "Answer the question from the text.\n\nText: Ann sat.\n\nQuestion: Who?\n\nAnswer:",
         "Ann"),
        ({"translation": {"en": "Yes.", "de": "Ja."}},
         "translation", "Translate from English to German.\n\nYes.\n\nTranslation:", "Ja."),
        ({"prompt": "Say hi.", "chosen": "hi", "rejected": "no"},
         "preference pairs", "Say hi.", "hi"),
        ({"chosen": "\n\nHuman: Hi?\n\nAssistant: Hi.", "rejected": "\n\nHuman: No?"},
         "preference pairs", "Hi?", "Hi."),
        ({"messages": [said("user", "Hi?"), said("assistant", "Hi.")]}, "messages", "Hi?", "Hi."),
        ({"conversations": [said("human", "Hi?", "from", "value"),
                            said("gpt", "Hi.", "from", "value")]}, "ShareGPT", "Hi?", "Hi."),
        ({"prompt": [said("user", "Hi?")], "completion": [said("assistant", "Hi.")]},
         "prompt and completion", "Hi?", "Hi."),
        ({"conversations": [said("human", "Hi?", "from", "value")],
          "chosen": said("gpt", "Hi.", "from", "value"), "rejected": said("gpt", "No")},
         "preference pairs", "Hi?", "Hi."),
        ({"prompt": "Hi?", "chosen": [said("user", "Hi?"), said("assistant", "Hi.")],
          "rejected": [said("user", "Hi?"), said("assistant", "No.")]},
         "preference pairs", "Hi?", "Hi."),
    ],
)  # fmt: skip
def test_a_known_format_is_read_as_a_whole(read, row, name, asked, answer):
    found = read(row)
    assert found.format == name
    assert prompt(found.examples[0]) == asked
    assert found.examples[0].references[0] == answer


def test_what_a_system_says_and_earlier_turns_come_before_the_last_question(read):
    turns = [said("system", "Be brief."), said("user", "Hi?"), said("assistant", "Hi.")]
    found = read({"messages": [*turns, said("user", "Bye?"), said("assistant", "Bye.")]})
    assert found.examples[0].input == "Bye?"
    assert found.examples[0].turns == (
        Turn("system", "Be brief."), Turn("user", "Hi?"), Turn("assistant", "Hi."),
    )  # fmt: skip
    orca = read({"system_prompt": "Be brief.", "question": "Hi?", "response": "Hi."})
    assert (orca.format, orca.examples[0].turns) == ("Open-Orca", (Turn("system", "Be brief."),))


def test_what_is_left_out_is_told(read):
    found = read({"instruction": "a", "context": "b", "response": "c", "category": "d", "id": "1"})
    assert found.left_out == ("category",)
    assert found.notices == (
        "'rows.jsonl' is read as Dolly, from instruction and context to response; "
        "left out: category.",
    )
    one_of_two = read({"text": "a", "document": "b", "summary": "c", "empty": None})
    assert one_of_two.notices == ("'rows.jsonl' is read from document to summary; left out: text.",)


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        ({"messages": [said("user", "Hi?")]}, "no answer to a user in 'messages'"),
        ({"messages": [said("user", "Hi?"), said("tool", "1")]}, "a message of 'tool'"),
        ({"conversations": [said("human", "Hi?", "from", "value"),
                            said("function_call", "f()", "from", "value")]},
         "a message of 'function_call' in 'conversations'"),
        ({"messages": [said("user", [{"type": "image_url"}]), said("assistant", "x")]},
         "a message with more than text"),
        ({"instruction": " ", "input": "", "output": "x"}, "no text in 'instruction'"),
        ({"context": "a", "question": "b", "answers": {"text": []}}, "no text in 'answers'"),
        ({"translation": {"en": "a"}}, "no pair of languages"),
    ],
)  # fmt: skip
def test_a_row_that_a_format_cannot_use_is_named(read, row, wrong):
    with pytest.raises(DataError, match=f"^'rows.jsonl' row 1 has {wrong}.*: mend or remove it"):
        read(row)


def test_a_field_of_a_field_can_be_named(read):
    found = read(
        {"translation": {"en": "Yes.", "de": "Ja."}},
        input_field="translation.de",
        target_field="translation.en",
    )
    assert prompt(found.examples[0]) == "Summarize.\n\nJa.\n\nSummary:"
    assert found.examples[0].references == ("Yes.",)


def test_numbers_are_the_text_that_stands_in_the_file(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a", "summary": 1.10}\n{"text": "b", "summary": 7}\n')
    found = dataset.read(path, TASK)
    assert [e.references for e in found.examples] == [("1.10",), ("7",)]


# A target that its input holds.


def boxes(form: str) -> list[dict[str, str]]:
    words = ["amber", "birch", "coral", "dune", "elm", "fern"]
    return [{"text": form.format(i, w), "output": w} for i, w in enumerate(words)]


@pytest.mark.parametrize("form", ["Box {}? {}", "Box {}?\n{}</s>", "Box {}? {}.\n"])
def test_an_input_that_ends_with_its_target_is_refused(read, form):
    with pytest.raises(DataError, match="at the end of its input 'text' in 6 of 6 examples"):
        read(*boxes(form))
    with pytest.raises(DataError, match="gives the answer away"):
        read(*boxes(form), input_field="text", target_field="output")


def test_a_sentence_within_its_input_is_asked_about(read):
    rows = [
        {"text": f"Once. Number {i} is what is looked for. The end.",
         "summary": f"Number {i} is what is looked for."}
        for i in range(6)
    ]  # fmt: skip
    with pytest.raises(DataError, match="name both with --input-field and --target-field"):
        read(*rows)
    found = read(*rows, input_field="text", target_field="summary")
    assert "in 6 of 6 examples" in found.notices[0]


def test_a_word_that_is_to_be_found_in_its_input_is_no_leak(read):
    assert len(read(*boxes("Box {} is of {} wood.")).examples) == 6


# Tasks.


def test_a_template_may_name_several_fields(read):
    task = Task("grade", "", "Grade: {essay}\n\nRubric: {rubric}\n\nGrade:")
    found = read({"essay": "A long essay.", "rubric": "Brief.", "target": 3}, task=task)
    example = found.examples[0]
    assert prompt(example, task) == "Grade: A long essay.\n\nRubric: Brief.\n\nGrade:"
    assert (example.input, example.references) == ("A long essay.", ("3",))
    with pytest.raises(DataError, match="no field 'rubric', which the task 'grade' asks for"):
        read({"essay": "A long essay.", "target": 3}, task=task)


def test_a_task_that_names_its_own_field_has_it_before_a_known_format(read):
    task = Task("questions", "", "Q: {input}\nA:", input_fields=("question",))
    found = read({"question": "Who?", "answer": "Ann"}, task=task)
    assert prompt(found.examples[0], task) == "Q: Who?\nA:"


class Sums(Task):
    def read(self, row):
        if row["a"] < 0:
            raise ValueError("a number below zero")
        return Example("", f"{row['a']} + {row['b']}", (str(row["a"] + row["b"]),), "", " =")


def test_a_task_may_make_anything_of_a_row_of_any_fields(read):
    task = Sums("sums", "", "{input}")
    found = read({"a": 1, "b": 2, "id": "x"}, task=task)
    assert found.examples == (Example("x", "1 + 2", ("3",), "", " ="),)
    with pytest.raises(DataError, match=r"row 1 has something wrong \(a number below zero\)"):
        read({"a": -1, "b": 2}, task=task)


# What both data hold.


def test_shared_examples_are_found_whatever_their_blanks_line_ends_and_case(read):
    from llmbench.source import leak

    kept = read({"text": "Ann:  Yes.\r\nTom: No. ", "summary": "x"}, {"text": "b", "summary": "y"})
    others = read({"text": "ann: yes.\nTom: No.", "summary": "z"}, {"text": "c", "summary": "y"})
    assert leak.in_both(kept.examples, others.examples) == 1


def test_what_is_written_for_workers_reads_back(read, tmp_path):
    rows = [
        {"messages": [said("system", "s"), said("user", "u"), said("assistant", "a")]},
        {"messages": [said("user", "v"), said("assistant", "b")]},
    ]
    for found in (read(*rows), read({"text": "t", "summary": "s"})):
        path = tmp_path / "kept.jsonl"
        path.write_text(dataset.lines(found.examples), "utf-8")
        assert tuple(dataset.load_lines(path)) == found.examples


def test_plain_pairs_are_written_as_they_always_were(read):
    found = read({"text": "t", "summary": "s"})
    assert dataset.lines(found.examples) == '{"id": "0", "input": "t", "references": ["s"]}\n'


def test_answers_that_are_marked_as_bad_are_not_learnt(read):
    good, bad = ({"prompt": "Hi?", "completion": c, "label": c == "Hi."} for c in ("Hi.", "No."))
    assert len(read(good, good).examples) == 2
    with pytest.raises(DataError, match="marks 1 of 2 answers as bad"):
        read(good, bad)


def test_parts_of_a_message_have_their_text_in_either_of_two_fields(read):
    parts = [{"type": "text", "value": "Who "}, {"type": "text", "text": "sat?"}]
    row = {"messages": [said("user", parts), said("assistant", [{"type": "text", "value": "Ann"}])]}
    (found,) = read(row).examples
    assert (found.input, found.references) == ("Who sat?", ("Ann",))
    for kind in ("image_url", "video"):
        other = {
            "messages": [said("user", [{"type": kind, "value": "a.png"}]), said("assistant", "A")]
        }
        with pytest.raises(DataError, match="a message with more than text"):
            read(other)


def test_texts_that_speak_of_pictures_are_refused_and_an_address_is_left_out(read):
    row = {"prompt": "<image>Who?", "completion": "Ann"}
    with pytest.raises(DataError, match="has images beside the texts of 1 of 2 rows"):
        read({**row, "images": ["a.png"]}, {**row, "images": []})
    assert read({**row, "images": []}).left_out == ()
    assert read({**row, "image": "https://example.org/a.png"}).left_out == ("image",)


def test_a_table_that_does_not_name_its_fields_is_told_from_one_with_other_names(read):
    with pytest.raises(DataError, match=r"called 'It was .*: if its first line is a row, put"):
        read({"Ann": "b", "It was on a fine day in May that [MASK] came back from the lake.": "c"})
    with pytest.raises(DataError, match=r"it has a, b\): name it with --input-field"):
        read({"a": "b", "b": "c"})


def test_every_kind_of_file_comes_to_what_the_documents_say():
    import data_formats

    found = dict(data_formats.trials())
    refused = {name for name, said in found.items() if said.startswith("refused: ")}
    assert {said for said in found.values() if not said.startswith("refused: ")} == {"ok"}
    assert refused == {
        "JSON, splits", "CSV, a field too many", "CSV, Windows-1252", "a spreadsheet",
        "plain text", "Zstandard", "a pickle", "TSV, without a line of names",
        "JSON lines, with pictures",
    }  # fmt: skip
    assert "| Alpaca | instruction" in data_formats.section()
