"""What the tasks that read rows make of them: questions, labels and instructions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llmbench.errors import ConfigError, DataError
from llmbench.plugin import named
from llmbench.plugin.task import Example, Turn
from llmbench.source import data

ASKED = {"context": "Anna has a cat.", "question": "Who?", "answers": {"text": ["Anna", "anna"]}}
REVIEW = {"text": "Never again.", "label": "bad"}


@pytest.fixture
def read(tmp_path: Path) -> Any:
    """Reads rows for a task, as `--task` names it."""

    def of(task: str, *rows: object) -> tuple[Example, ...]:
        file = tmp_path / "rows.jsonl"
        file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        return data.read(file, named.task(task)).examples

    return of


@pytest.mark.parametrize(
    ("options", "row", "right"),
    [
        ("", ASKED, ("Anna", "anna")),
        ("(answers=answers.text)", ASKED, ("Anna", "anna")),
        ("", ASKED | {"answers": ["Anna"]}, ("Anna",)),
        ("", ASKED | {"answers": [{"text": "Anna", "answer_start": 0}]}, ("Anna",)),
        ("(answers=right)", ASKED | {"right": "Anna"}, ("Anna",)),
        ("", {"context": "Anna.", "question": "Who?", "answer": "Anna"}, ("Anna",)),
        ("(unanswerable=unknown)", ASKED | {"answers": {"text": []}}, ("unknown",)),
        ("(unanswerable=unknown)", ASKED, ("Anna", "anna")),
    ],
)
def test_every_answer_to_a_question_is_right(read, options, row, right):
    found = read(f"question-answering{options}", row)[0]
    assert found.references == right
    assert found.content.endswith("Question: Who?\n\nAnswer:")


def test_fields_of_a_question_may_be_called_otherwise(read):
    row = {"passage": "Anna has a cat.", "query": "Who?", "answers": ["Anna"]}
    found = read("question-answering(context=passage,question=query)", row)[0]
    assert (found.input, found.references) == ("Anna has a cat.", ("Anna",))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (ASKED | {"answers": {"text": []}}, "row 1 has no answer in 'answers'; say what is right"),
        (ASKED | {"answers": [""]}, "an empty target in 'answers'"),
        ({"context": "Anna.", "question": "Who?"}, "no text in 'answers'"),
        (ASKED | {"question": ""}, "no text in 'question'"),
        ({"question": "Who?", "answers": ["Anna"]}, "no text in 'context'"),
    ],
)
def test_a_question_that_lacks_something_is_refused(read, row, said):
    with pytest.raises(DataError, match=said):
        read("question-answering", row)


@pytest.mark.parametrize(
    ("options", "row", "label"),
    [
        ("", REVIEW, "bad"),
        ("(names=bad|good)", REVIEW, "bad"),
        ("(names=bad|good)", REVIEW | {"label": 1}, "good"),
        ("(names=bad|good)", REVIEW | {"label": False}, "bad"),
        ("", REVIEW | {"label": 1}, "1"),
        ("(label=stars,text=review)", {"review": "Never again.", "stars": 5}, "5"),
    ],
)
def test_labels_come_from_the_data_or_from_the_option(read, options, row, label):
    found = read(f"classification{options}", row)[0]
    assert (found.input, found.references) == ("Never again.", (label,))


def test_labels_that_are_named_stand_in_the_prompt_and_are_chosen_among(read):
    found = read("classification(names=bad | good)", REVIEW)[0]
    assert found.before == "Choose one of: bad, good.\n\nText: "
    assert named.task("classification(names=bad | good)").choices == ("bad", "good")


def test_several_fields_are_one_text(read):
    row = {"premise": "It rains.", "hypothesis": "It is dry.", "label": "no"}
    assert read("classification(text=premise+hypothesis)", row)[0].input == (
        "It rains.\n\nIt is dry."
    )


@pytest.mark.parametrize(
    ("options", "row", "said"),
    [
        ("(names=bad|good)", REVIEW | {"label": "ugly"}, "the label 'ugly', which is none of bad,"),
        ("(names=bad|good)", REVIEW | {"label": 2}, "the label '2', which is none of"),
        ("(names=bad|good)", REVIEW | {"label": -1}, "the label '-1', which is none of"),
        ("", REVIEW | {"label": None}, "no label in 'label'"),
        ("", REVIEW | {"label": ["bad", "good"]}, "no label in 'label'"),
        ("(label=stars)", REVIEW, "no label in 'stars'"),
        ("", {"label": "bad"}, "no text in 'text'"),
    ],
)
def test_a_label_that_is_unknown_is_refused(read, options, row, said):
    with pytest.raises(DataError, match=said):
        read(f"classification{options}", row)


@pytest.mark.parametrize("names", ["bad", "bad|bad", "bad||good"])
def test_labels_are_two_different_texts_at_least(names):
    with pytest.raises(ConfigError, match="labels are different texts"):
        named.task(f"classification(names={names})")


def test_instructions_are_alpacas_rows_or_conversations(read):
    alpaca = {"instruction": "Sort these.", "input": "b, a", "output": "a, b"}
    found = read("instructions", alpaca)[0]
    assert (found.before, found.input, found.references) == (
        "Sort these.\n\n",
        "b, a",
        ("a, b",),
    )
    said = [("system", "Be brief."), ("user", "Hi!"), ("assistant", "Hi."), ("user", "Bye!")]
    messages = [{"role": role, "content": text} for role, text in (*said, ("assistant", "Bye."))]
    talk = read("instructions", {"messages": messages})[0]
    assert talk.turns == tuple(Turn(*turn) for turn in said[:3])
    assert (talk.input, talk.references) == ("Bye!", ("Bye.",))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"dialogue": "Hi!", "summary": "A greeting."}, "is in none of the formats that 'instr"),
        ({"instruction": "Sort these.", "input": "b, a", "output": ""}, "an empty target in"),
        ({"instruction": " ", "input": "", "output": "a"}, "no text in 'instruction'"),
        ({"messages": [{"role": "user", "content": "Hi!"}]}, "no answer to a user in 'messages'"),
        ({"messages": [{"role": "poet", "content": "Oh!"}]}, "a message of 'poet' in 'messages'"),
    ],
)
def test_what_is_no_instruction_is_refused(read, row, said):
    with pytest.raises(DataError, match=said):
        read("instructions", row)
