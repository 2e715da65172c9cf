"""The tasks beside summarisation in a worker: prompts, losses, and a comparison of each."""

from __future__ import annotations

import copy

import pytest

from llmbench.errors import ModelError
from llmbench.plugin import named
from llmbench.plugin.task import Example, Turn
from llmbench.testing import run
from llmbench.worker import template
from llmbench.worker.encoding import Encoder

ALPACA = Example("a", "b, a", ("a, b",), "Sort these.\n\n", "\n\nAnswer:")
CHATML = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@pytest.fixture
def encoder(tokenizer):
    """Makes an encoder of the shipped tokenizer for a task, in a conversation or plainly."""

    def of(task: str, chat: bool = False) -> Encoder:
        own = copy.deepcopy(tokenizer)
        own.chat_template = CHATML if chat else None
        return Encoder(own, named.task(task), template.choose(own, "auto", "m"), 128)

    return of


def prompt(made: Encoder, example: Example) -> str:
    text: str = made.tokenizer.decode(made.prompt(example, 128), skip_special_tokens=True)
    return text


def test_a_chat_template_takes_the_place_of_the_cue_of_an_instruction(encoder):
    assert prompt(encoder("instructions"), ALPACA) == "Sort these.\n\nb, a\n\nAnswer:"
    told = prompt(encoder("instructions", chat=True), ALPACA)
    assert told == "<|user|>Sort these.\n\nb, a\n<|assistant|>"


def test_a_conversation_that_goes_on_needs_no_cue(encoder):
    spoken = Example("a", "Bye!", ("Bye.",), "", "", (Turn("user", "Hi!"), Turn("assistant", "Hi")))
    assert prompt(encoder("instructions"), spoken).endswith("User: Bye!\n\nAssistant:")
    alone = Example("a", "Bye!", ("Bye.",), "", "", (Turn("system", "Be brief."),))
    assert prompt(encoder("instructions"), alone) == "Be brief.\n\nBye!\n\nAnswer:"


def test_a_loss_is_taken_on_answers_or_in_training_on_all(encoder):
    answers, every = encoder("instructions"), encoder("instructions(loss=all)")
    [usual], [whole] = answers.trained(ALPACA), every.trained(ALPACA)
    assert usual == answers.sequence(ALPACA) == every.sequence(ALPACA)
    assert usual.prompt == len(answers.prompt(ALPACA, 128)) > 1
    assert (whole.ids, whole.prompt) == (usual.ids, 1)


def test_an_encoder_decoder_learns_answers_alone(tokenizer):
    paired = template.Pair(tokenizer)
    with pytest.raises(ModelError, match="'instructions' cannot take a loss on prompts here"):
        Encoder(tokenizer, named.task("instructions(loss=all)"), paired, 128)


def test_a_loss_on_all_is_taken_on_every_token_but_the_first(tmp_path):
    found = run(tmp_path / "out", strategies="full", task="instructions(loss=all)")
    record = next(r for r in found.records if r.cell.trains)
    assert record.status == "ok", record.reason
    size = record.cell.settings.batch_size
    assert {s.nonpadding_tokens - s.supervised_tokens for s in record.steps} == {size}
    assert record.start.training == pytest.approx(record.first_loss, rel=1e-3)


@pytest.mark.parametrize(
    ("task", "scores"),
    [
        ("question-answering", ["token_f1", "exact_match"]),
        ("classification(names=bad|fair|good)", ["label_accuracy", "label_macro_f1"]),
    ],
)
def test_the_set_that_ships_is_compared_by_the_tasks_own_metrics(tmp_path, task, scores):
    found = run(tmp_path / "out", strategies="full", task=task)
    record = next(r for r in found.records if r.cell.trains)
    assert record.status == "ok", record.reason
    assert [m.id for m in record.measures] == scores
    assert all(len(e.scores) == 2 for e in record.examples)
