from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from llmbench.plugin.task import Example, Task
from llmbench.record.settings import Settings
from llmbench.worker import batch
from llmbench.worker.batch import IGNORED, Encoder, Tokens, collate
from llmbench.worker.template import Plain

TASK = Task("summarization", "", "Summarize the dialogue.\n\n{input}\n\nSummary:")
PAD = 0
SEQUENCES = [Tokens(tuple(range(10 * i, 10 * i + 4)), prompt=2) for i in range(1, 8)]


def example(text: str, target: str = "A cake.") -> Example:
    return Example("a", text, (target, "another reference"))


@pytest.fixture
def encoder(tokenizer):
    """Makes an encoder for a sequence length."""
    return lambda seq_len: Encoder(tokenizer, TASK, Plain(tokenizer), seq_len)


def test_a_sequence_is_prompt_space_first_reference_and_end_of_text(encoder, tokenizer):
    found = encoder(200).sequence(example("Anna: Yes."))
    text = tokenizer.decode(found.ids)
    assert text == "Summarize the dialogue.\n\nAnna: Yes.\n\nSummary: A cake.</s>"
    assert tokenizer.decode(found.ids[: found.prompt]).endswith("\n\nSummary:")


def test_training_and_evaluation_see_the_same_prompt(encoder):
    made = encoder(200)
    sequence = made.sequence(example("Anna: Yes."))
    assert sequence.ids[: sequence.prompt] == tuple(made.prompt(example("Anna: Yes."), 200))


def test_what_fits_is_not_cut(encoder):
    made = encoder(200)
    made.sequence(example("Anna: Yes."))
    assert made.cut == set()


def test_a_long_input_loses_its_end_and_keeps_instruction_and_target(encoder, tokenizer):
    made = encoder(60)
    words = " ".join(f"word{i}" for i in range(100))
    found = made.sequence(example(words))
    text = tokenizer.decode(found.ids)
    assert len(found.ids) <= 60
    assert text.startswith("Summarize the dialogue.\n\nword0 word1")
    assert text.endswith("\n\nSummary: A cake.</s>")
    assert made.cut == {"a"}


def test_a_cut_uses_the_room_that_there_is(encoder):
    found = encoder(60).sequence(example("x " * 200))
    assert len(found.ids) >= 58


def test_a_long_target_is_cut_to_half_and_the_prompt_kept(encoder, tokenizer):
    made = encoder(100)
    found = made.sequence(example("Anna: Yes.", target="word " * 200))
    assert len(found.ids) - found.prompt == 50
    assert tokenizer.decode(found.ids[: found.prompt]).endswith("\n\nSummary:")
    assert made.cut == {"a"}


def test_an_input_is_cut_between_characters_however_many_tokens_they_take(encoder, tokenizer):
    for room in range(30, 60):
        prompt = encoder(room).prompt(example("\U0001f600" * 40), room)
        assert len(prompt) <= room
        assert "\ufffd" not in tokenizer.decode(prompt)


@hypothesis_settings(max_examples=40, deadline=None)
@given(text=st.text(max_size=120), room=st.integers(8, 90))
def test_any_input_fits_into_any_room(tokenizer_once, text, room):
    made = Encoder(tokenizer_once, TASK, Plain(tokenizer_once), room)
    assert len(made.prompt(example(text), room)) <= room
    assert len(made.sequence(example(text)).ids) <= room


@pytest.fixture(scope="module")
def tokenizer_once(tokenizer):
    """The tokenizer, in a scope that property-based tests take."""
    return tokenizer


def test_a_batch_is_padded_on_the_right_to_its_longest():
    found = collate([Tokens((1, 2, 3), prompt=1), Tokens((4, 5, 6, 7, 8), prompt=3)], PAD)
    assert found.input_ids.tolist() == [[1, 2, 3, 0, 0], [4, 5, 6, 7, 8]]


def test_prompt_and_padding_carry_no_loss():
    found = collate([Tokens((1, 2, 3), prompt=1), Tokens((4, 5, 6, 7, 8), prompt=3)], PAD)
    ignored = IGNORED
    assert found.labels.tolist() == [
        [ignored, 2, 3, ignored, ignored],
        [ignored, ignored, ignored, 7, 8],
    ]


def test_a_target_that_equals_the_padding_token_is_trained_on():
    found = collate([Tokens((1, 2, PAD), prompt=1), Tokens((1, 2, 3, 4), prompt=1)], PAD)
    assert found.labels[0].tolist() == [IGNORED, 2, PAD, IGNORED]


def test_tokens_are_counted_as_supervised_nonpadding_and_padded():
    found = collate([Tokens((1, 2, 3), prompt=1), Tokens((4, 5, 6, 7, 8), prompt=3)], PAD)
    assert (found.supervised_tokens, found.nonpadding_tokens, found.padded_tokens) == (4, 8, 10)


def test_the_first_token_of_a_sequence_is_never_predicted():
    found = collate([Tokens((1, 2, 3), prompt=0)], PAD)
    assert found.supervised_tokens == 2


def firsts(steps) -> list[int]:
    return [int(row[0]) for step in steps for b in step for row in b.input_ids]


def settings(**values) -> Settings:
    return Settings(**{"steps": 3, "batch_size": 2, "accumulation": 1, **values})


def test_steps_hold_micro_batches_of_the_size_asked_for():
    made = batch.steps(SEQUENCES, settings(accumulation=2), seed=0, pad=PAD)
    assert [[len(b.input_ids) for b in step] for step in made] == [[2, 2]] * 3


def test_the_order_follows_the_seed():
    def order(seed):
        return firsts(batch.steps(SEQUENCES, settings(), seed, PAD))

    assert order(0) == order(0)
    assert order(0) != order(1)


def test_the_order_of_examples_is_the_same_however_they_are_accumulated():
    whole = batch.steps(SEQUENCES, settings(batch_size=4), 0, PAD)
    parts = batch.steps(SEQUENCES, settings(batch_size=1, accumulation=4), 0, PAD)
    assert firsts(whole) == firsts(parts)


def test_every_example_comes_once_before_any_comes_again():
    made = firsts(batch.steps(SEQUENCES, settings(steps=7), 0, PAD))
    everything = sorted(s.ids[0] for s in SEQUENCES)
    assert sorted(made[:7]) == sorted(made[7:]) == everything
    assert made[:7] != made[7:]


def test_random_steps_are_full_and_follow_the_seed():
    shape = settings(seq_len=16)
    made, again, other = (batch.random_steps(50, shape, seed) for seed in (0, 0, 1))
    first = made[0][0]
    assert first.input_ids.shape == (2, 16)
    assert int(first.input_ids.max()) < 50
    assert torch.equal(first.input_ids, again[0][0].input_ids)
    assert not torch.equal(first.input_ids, other[0][0].input_ids)
    assert not torch.equal(first.input_ids, made[1][0].input_ids)
    assert (first.nonpadding_tokens, first.padded_tokens, first.supervised_tokens) == (32, 32, 30)
