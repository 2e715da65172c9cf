"""Texts that go on: every token of them is learnt once, and nothing is put around them."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from transformers import AutoTokenizer

from llmbench.errors import DataError, ModelError
from llmbench.plugin import named
from llmbench.plugin.task import Example
from llmbench.source import data
from llmbench.testing import run
from llmbench.worker import template
from llmbench.worker.encoding import OPENING, Encoder
from llmbench_metrics.bits import BitsPerByte
from make_tiny import FOLDER

TASK = named.task("language-modelling")
VERSE = "ADELA:\n  Speak not of morning or song here, sweet cousin.\n\n" * 6


@pytest.fixture
def encoder(tokenizer):
    """Makes an encoder for a sequence length."""

    def of(seq_len: int) -> Encoder:
        written = template.choose(tokenizer, "auto", "m", running=True)
        return Encoder(tokenizer, TASK, written, seq_len)

    return of


@pytest.mark.parametrize("length", [16, 17, 400])
def test_sequences_hold_every_token_and_each_is_predicted_once(encoder, tokenizer, length):
    ids = tokenizer(VERSE, add_special_tokens=False)["input_ids"]
    found = encoder(length).sequences(Example("a", "", (VERSE,), ""))
    assert [i for s in found for i in s.ids[s.prompt :]] == ids
    assert all(s.prompt == 1 and 2 <= len(s.ids) <= length for s in found)
    assert found[0].ids[0] == tokenizer.eos_token_id  # it has none that starts a text
    for one, other in pairwise(found):
        assert one.ids[-1] == other.ids[0]
    assert tokenizer.decode([i for s in found for i in s.ids[1:]]) == VERSE


def test_a_prediction_goes_on_from_the_beginning_of_a_text(encoder, tokenizer):
    made = encoder(64)
    opening = made.opening(Example("a", "", (VERSE,), ""), 64)
    assert len(opening) == OPENING
    assert VERSE.startswith(tokenizer.decode(opening[1:]))
    short = made.opening(Example("a", "", ("My lord!",), ""), 64)
    assert 1 <= len(short) <= len(tokenizer("My lord!")["input_ids"])


@pytest.mark.parametrize("wanted", ["auto", "plain"])
def test_no_template_is_put_around_a_text(tokenizer, wanted):
    written = template.choose(tokenizer, wanted, "m", running=True)
    assert written.name == "none"
    assert tokenizer.decode(written.target("  My lord!\n")) == "  My lord!\n"


def test_a_text_needs_a_token_to_begin_with_and_a_model_that_writes_it(tokenizer):
    with pytest.raises(ModelError, match="'m' reads with an encoder"):
        template.choose(tokenizer, "auto", "m", paired=True, running=True)
    bare: Any = SimpleNamespace(bos_token_id=None, eos_token_id=None, added_tokens_decoder={})
    with pytest.raises(ModelError, match="'m' has no token that starts or ends a text"):
        template.choose(bare, "auto", "m", running=True)


def test_a_plain_file_is_read_in_pieces_of_whole_lines(tmp_path):
    file = tmp_path / "verse.txt"
    file.write_text(VERSE * 10 + "x" * 2500)
    found = [e.references[0] for e in data.read(file, TASK).examples]
    assert "".join(found) == file.read_text()
    assert all(len(piece) <= 1000 for piece in found)
    assert all(piece.endswith("\n") for piece in found[:-3])


def test_blank_rows_are_left_out_and_told(tmp_path):
    file = tmp_path / "wiki.jsonl"
    rows = [{"text": " = Title = "}, {"text": ""}, {"text": "Words."}]
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    found = data.read(file, TASK)
    assert [e.references for e in found.examples] == [(" = Title = ",), ("Words.",)]
    assert [e.id for e in found.examples] == ["0", "2"]
    assert "1 of 3 rows of 'wiki.jsonl' are empty." in found.notices


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"dialogue": "Hi!"}, "row 1 has no text in 'text'"),
        ({"text": None}, "no text in 'text'"),
        ({"text": ["Hi!"]}, "no text in 'text'"),
        ({"text": " "}, "'rows.jsonl' holds no examples"),
    ],
)
def test_a_row_without_text_is_refused(tmp_path, row, said):
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(row) + "\n")
    with pytest.raises(DataError, match=said):
        data.read(file, TASK)


def test_a_plain_file_is_for_those_who_ask_nothing(tmp_path):
    file = tmp_path / "verse.txt"
    file.write_text(VERSE)
    with pytest.raises(DataError, match="or take --task language-modelling"):
        data.read(file, named.task("summarization"))


def test_bits_per_byte_count_the_bytes_of_the_tokens_that_are_left(tokenizer):
    text = "Übermut tut selten gut."
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    told: Any = SimpleNamespace(tokenizer=tokenizer, references=[[text]])
    told.losses = lambda texts: [(math.log(2) * 48, len(ids))]
    assert BitsPerByte().look(told).examples["bits_per_byte"] == [48 / len(text.encode())]
    told.losses = lambda texts: [(math.log(2) * 48, 4)]
    kept = len(tokenizer.decode(ids[:4]).encode())
    assert BitsPerByte().look(told).examples["bits_per_byte"] == [48 / kept]


def test_the_text_that_ships_is_compared_by_bits_per_byte(tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    found = run(tmp_path / "out", strategies="full", task=TASK.id, seq_len=96)
    record = next(r for r in found.records if r.cell.trains)
    assert record.status == "ok", record.reason
    assert [m.id for m in record.measures] == ["bits_per_byte", "log_perplexity", "perplexity"]
    assert record.effective["template"] == "none"
    for example in record.examples:
        [text] = example.references
        tokens = len(tokenizer(text, add_special_tokens=False)["input_ids"])
        bits = example.loss * tokens / math.log(2) / len(text.encode())
        assert example.scores["bits_per_byte"] == pytest.approx(bits, rel=1e-4)
        assert example.scores["log_perplexity"] == pytest.approx(example.loss, rel=1e-4)
    assert all(s.supervised_tokens == s.nonpadding_tokens - 2 for s in record.steps)
