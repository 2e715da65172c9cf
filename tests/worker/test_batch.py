from __future__ import annotations

import copy
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tokenizers import processors
from transformers import T5Config

from llmbench.plugin.task import Example, Task, Turn
from llmbench.record.settings import Settings
from llmbench.worker import batch
from llmbench.worker.batch import IGNORED, collate
from llmbench.worker.encoding import Encoder, Tally, Tokens, remarks
from llmbench.worker.scoring import before_stop
from llmbench.worker.template import Plain, choose

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


def test_rejected_answers_follow_the_same_prompt_which_leaves_room_for_the_longest(encoder):
    long, short = "A cake with cherries on it.", "A pie."
    text = "Anna: " + " ".join(f"word{i}" for i in range(60))
    better = replace(example(text, short), rejected=(long,))
    worse = replace(example(text, long), rejected=(short,))
    one, other = encoder(80).sequence(better), encoder(80).sequence(worse)
    assert one.prompt == other.prompt
    assert one.every == (other.rejected[0], other.ids)
    assert max(len(ids) for ids in one.every) == 80


def test_training_and_evaluation_see_the_same_prompt(encoder):
    made = encoder(200)
    sequence = made.sequence(example("Anna: Yes."))
    assert sequence.ids[: sequence.prompt] == tuple(made.prompt(example("Anna: Yes."), 200))


def test_what_fits_is_not_cut(encoder):
    made = encoder(200)
    made.sequence(example("Anna: Yes."))
    assert made.tally.cut == set()


def test_a_long_input_loses_its_end_and_keeps_instruction_and_target(encoder, tokenizer):
    made = encoder(60)
    words = " ".join(f"word{i}" for i in range(100))
    found = made.sequence(example(words))
    text = tokenizer.decode(found.ids)
    assert len(found.ids) <= 60
    assert text.startswith("Summarize the dialogue.\n\nword0 word1")
    assert text.endswith("\n\nSummary: A cake.</s>")
    assert made.tally.cut == {"a"}


def test_a_cut_uses_the_room_that_there_is(encoder):
    found = encoder(60).sequence(example("x " * 200))
    assert len(found.ids) >= 58


def test_a_target_longer_than_half_keeps_its_end_where_it_fits_with_its_prompt(encoder, tokenizer):
    made = encoder(100)
    found = made.sequence(example("Anna: Yes.", target="word " * 16))
    assert len(found.ids) - found.prompt > 50
    assert tokenizer.decode(found.ids).endswith(
        "\n\nAnna: Yes.\n\nSummary: " + ("word " * 16).strip() + "</s>"
    )
    assert made.tally == Tally()


def test_the_prompt_is_cut_before_the_target(encoder, tokenizer):
    made = encoder(100)
    found = made.sequence(example("Anna: Yes. " * 20, target="word " * 16))
    assert len(found.ids) <= 100
    assert tokenizer.decode(found.ids).endswith("word word</s>")
    assert (made.tally.cut, made.tally.cut_targets) == ({"a"}, set())


def test_a_target_that_cannot_fit_loses_its_end_and_that_is_told(encoder, tokenizer):
    made = encoder(100)
    found = made.sequence(example("Anna: Yes.", target="word " * 200))
    assert len(found.ids) == 100
    assert tokenizer.decode(found.ids[: found.prompt]).endswith("\n\nSummary:")
    assert made.tokenizer.eos_token_id not in found.ids
    assert made.tally.cut_targets == {"a"}
    said = list(remarks(made.tally, Settings(seq_len=100), 3, "training"))
    assert "1 of 3 training examples lost the end of their target" in said[1]


def test_an_input_of_which_nothing_is_left_is_told_from_one_that_lost_its_end(encoder):
    made = encoder(100)
    made.sequence(example("Anna: Yes. " * 20, target="word " * 16))
    assert list(remarks(made.tally, Settings(seq_len=100), 3, "evaluated")) == [
        "1 of 3 evaluated examples lost the end of their input, to fit 100 tokens (--seq-len)."
    ]
    made.sequence(example("Anna: Yes.", target="word " * 200))
    cut, unended = remarks(made.tally, Settings(seq_len=100), 3, "evaluated")
    assert cut.endswith("to fit 100 tokens (--seq-len); of 1 nothing is left.")
    assert "teach no end" not in unended


def test_the_oldest_turns_of_a_conversation_go_first_and_the_systems_stays(encoder, tokenizer):
    earlier = [Turn(role, f"{role} {i} " * 4) for i in range(4) for role in ("user", "assistant")]
    long = Example("a", "Well?", ("A cake.",), "", "", (Turn("system", "Be brief."), *earlier))
    made = encoder(180)
    text = tokenizer.decode(made.sequence(long).ids)
    assert text.startswith("Be brief.\n\nUser: user 3 ")
    assert text.endswith("User: Well?\n\nAssistant: A cake.</s>")
    assert made.tally.cut == {"a"}


@pytest.fixture
def starting(tokenizer):
    """A tokenizer that starts a text with a token."""
    made = copy.deepcopy(tokenizer)
    made.add_special_tokens({"bos_token": "<s>"})
    made.backend_tokenizer.post_processor = processors.TemplateProcessing(
        "<s> $A", special_tokens=[("<s>", made.bos_token_id)]
    )
    return made


FORMATTED = Example("a", "<s>[INST] Who? [/INST]", ("Anna.</s>",), "")


def test_what_starts_and_ends_a_text_is_not_written_twice(starting):
    made = Encoder(starting, TASK, Plain(starting), 90)
    bare = made.bare(FORMATTED)
    assert (bare.input, bare.references) == ("[INST] Who? [/INST]", ("Anna.",))
    assert starting.decode(made.sequence(bare).ids) == "<s>[INST] Who? [/INST] Anna.</s>"
    assert made.tally.framed == {"a"}
    assert made.tally.special == {}


@pytest.mark.parametrize(("asked", "ids"), [("text", False), ("tokens", True)])
def test_special_tokens_in_data_are_text_unless_asked_for(starting, asked, ids):
    template = choose(starting, "plain", "m", asked)
    made = Encoder(starting, TASK, template, 90)
    found = made.sequence(Example("a", "One</s>two", ("A</s>b",), ""))
    assert (found.ids.count(starting.eos_token_id) == 3) == ids
    assert starting.decode(found.ids) == "<s>One</s>two A</s>b</s>"
    assert made.tally.special == {"a": ["</s>"]}
    said = list(remarks(made.tally, Settings(special_tokens=asked), 1, "training"))
    assert said == [] if ids else "(</s>), which are read as text" in said[0]


def test_tokens_that_a_task_itself_writes_are_tokens(starting):
    task = Task("mine", "", "</s>{input}</s>:")
    made = Encoder(starting, task, Plain(starting), 90)
    assert made.prompt(Example("a", "x</s>", ("b",)), 90).count(starting.eos_token_id) == 2


def test_a_task_may_write_the_prompt_with_the_tokenizer(starting):
    class Own(Task):
        def write(self, turns, tokenizer):
            return f"{tokenizer.bos_token}>> {turns[-1].text} <<"

    made = Encoder(starting, Own("mine", "", "{input}"), Plain(starting), 90)
    ids = made.prompt(Example("a", "<s>Hi", ("b",)), 90)
    assert starting.decode(ids) == "<s>>> <s>Hi <<"
    assert ids.count(starting.bos_token_id) == 1


@pytest.mark.parametrize(
    ("text", "kept"), [("Anna. \nQ: Who", "Anna. "), ("Anna.", "Anna."), ("A###B\nQ:", "A")]
)
def test_a_prediction_ends_before_the_first_text_that_stops_it(text, kept):
    assert before_stop(text, ("\nQ:", "###")) == kept


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


def test_random_steps_are_full_and_follow_the_seed(model):
    shape = settings(seq_len=16)
    made, again, other = (batch.random_steps(model, shape, seed) for seed in (0, 0, 1))
    first = made[0][0]
    assert first.input_ids.shape == (2, 16)
    assert int(first.input_ids.max()) < model.config.vocab_size
    assert torch.equal(first.input_ids, again[0][0].input_ids)
    assert not torch.equal(first.input_ids, other[0][0].input_ids)
    assert not torch.equal(first.input_ids, made[1][0].input_ids)
    assert (first.nonpadding_tokens, first.padded_tokens, first.supervised_tokens) == (32, 32, 30)


def test_an_encoder_reads_the_prompts_and_its_decoder_has_the_answers_for_labels():
    made = batch.collate([Tokens((1, 2, 3, 7, 8), 3, True), Tokens((4, 9), 1, True)], PAD)
    assert made.input_ids.tolist() == [[1, 2, 3], [4, PAD, PAD]]
    assert made.mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert made.labels.tolist() == [[7, 8], [9, IGNORED]]
    assert made.supervised_tokens == 3
    assert (made.nonpadding_tokens, made.padded_tokens) == (7, 10)
    assert set(made.inputs) == {"input_ids", "labels", "attention_mask"}


def test_random_pairs_have_the_length_of_a_sequence_together():
    model = SimpleNamespace(config=T5Config(vocab_size=50))
    made = batch.random_steps(model, settings(seq_len=16, max_new_tokens=4), seed=0)[0][0]
    assert made.input_ids.shape == made.mask.shape == (2, 12)
    assert made.labels.shape == (2, 4)
    assert made.nonpadding_tokens == made.padded_tokens == 32
    assert made.supervised_tokens == 8


def test_tokens_of_another_models_template_are_told(starting):
    made = Encoder(starting, TASK, Plain(starting), 90)
    made.prompt(Example("a", "<|im_start|>user\nHi</s>", ("b<|im_end|>",), ""), 90)
    assert made.tally.foreign == {"a": ["<|im_start|>", "<|im_end|>"]}
    (said, _) = remarks(made.tally, Settings(), 1, "training")
    assert "another model's template (<|im_start|> and <|im_end|>)" in said
