"""What strategies bring in place of the harness's: called as it is written down, and held to it."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from transformers import T5Config, T5ForConditionalGeneration
from watching import Watcher

from llmbench.config import composition
from llmbench.errors import CompositionError, PluginError
from llmbench.plugin.strategy import CannotRun, Strategy
from llmbench.record.settings import Settings
from llmbench.worker import batch, brought, loop, start, train
from llmbench.worker.encoding import Tokens

SETTINGS = Settings(steps=4, lr_warmup_ratio=0.0, learning_rate=1e-3)
SEQUENCES = [Tokens(tuple(range(1, 9 + n)), prompt=3) for n in range(8)]
STEPS = [[batch.collate(SEQUENCES[n : n + 2], 0)] for n in range(4)]


def trained(model, *strategies):
    """The steps of a training with these strategies."""
    kept = Watcher()
    optimizer = train.adamw(list(model.parameters()), SETTINGS)
    loss, share = brought.loss(strategies), brought.share_of_rate(strategies, SETTINGS)
    train.train(model, optimizer, STEPS, SETTINGS, nullcontext, kept, loss, share)
    return kept.steps


class Halving(Strategy):
    id, summary, group = "halving", "", "schedule"

    def schedule(self, step):
        return 0.5**step


class Flat(Strategy):
    id, summary, group = "flat", "", "flatness"

    def schedule(self, step, settings):
        return 1.0


class Doubled(Strategy):
    id, summary, group = "doubled", "", "doubling"
    times: float = 2.0

    def loss(self, model, inputs):
        return self.times * model(**inputs, use_cache=False).loss


def test_a_schedule_gives_the_share_of_the_peak_and_names_the_arguments_that_it_wants(model):
    rates = [step.learning_rate for step in trained(model, Halving())]
    assert rates == pytest.approx([1e-3, 5e-4, 2.5e-4, 1.25e-4])


def test_a_schedule_that_says_none_leaves_it_to_the_settings(model):
    class Shy(Halving):
        def schedule(self, step):
            return None

    assert [s.learning_rate for s in trained(model, Shy())] == pytest.approx(
        [1e-3, 7.5e-4, 5e-4, 2.5e-4]
    )


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), "half"])
def test_a_share_that_cannot_be_names_the_strategy(registry, model, wrong):
    class Wrong(Halving):
        def schedule(self, step):
            return wrong

    with pytest.raises(PluginError, match="'halving' of an unknown package failed in schedule"):
        trained(model, Wrong())


def test_the_loss_of_a_strategy_is_trained_on(model):
    usual = train.first_loss(model, STEPS[0][0])
    assert trained(model, Doubled())[0].loss == pytest.approx(2 * usual)


def test_a_loss_that_is_another_shows_before_anything_is_learnt(model):
    def found(times: float):
        loss = brought.loss([Doubled(times=times)])
        return start.in_training(model, STEPS[0], nullcontext, loss, None).training

    assert found(1.0) == pytest.approx(train.first_loss(model, STEPS[0][0]))
    assert found(2.0) == pytest.approx(2 * train.first_loss(model, STEPS[0][0]))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (torch.zeros(2), r"\(2,\) numbers, not one loss"),
        (torch.zeros(()), "without a graph"),
        (1.0, "float, not a loss"),
    ],
)
def test_a_loss_that_cannot_be_names_the_strategy(registry, model, wrong, said):
    class Wrong(Doubled):
        def loss(self, model, inputs):
            return wrong

    with pytest.raises(PluginError, match=f"'doubled' of .* failed in loss .*{said}"):
        trained(model, Wrong())


def test_two_that_bring_the_same_clash_whatever_their_groups(registry):
    assert Halving().claims() == {"schedule"}
    assert Flat().claims() == {"flatness", "schedule"}
    with pytest.raises(CompositionError, match="both decide the schedule"):
        composition.complete([Halving(), Flat()])
    assert composition.complete([Halving(), Doubled()]).id


class Rows(Strategy):
    """Makes the batch anew from what it is told of it."""

    id, summary, group = "rows", "", "batches"

    def batches(self, examples, pad):
        return batch.collate(examples, pad).inputs


@pytest.mark.parametrize("paired", [False, True])
def test_a_strategy_is_told_of_the_examples_of_a_batch(paired):
    sequences = [Tokens(s.ids, s.prompt, paired) for s in SEQUENCES]
    padded = batch.collate(sequences, 0)
    assert list(batch.examples(padded)) == sequences
    [[made]] = brought.batches([Rows()], [[padded]], 0)
    for name, value in padded.inputs.items():
        assert torch.equal(made.inputs[name], value)
    assert made.nonpadding_tokens == padded.nonpadding_tokens


class Pairs(Strategy):
    """A row for every answer, of which the rejected ones have no labels."""

    id, summary, group = "pairs", "", "batches"

    def batches(self, examples, pad):
        every = [Tokens(ids, e.prompt) for e in examples for ids in e.every]
        made = batch.collate(every, pad)
        made.labels[1::2] = batch.IGNORED
        return made.inputs


def test_a_batch_with_a_row_for_every_rejected_answer_has_their_tokens_too():
    sequences = [replace(s, rejected=((*s.ids, 5, 6),)) for s in SEQUENCES[:2]]
    padded = batch.collate(sequences, 0)
    [[made]] = brought.batches([Pairs()], [[padded]], 0)
    assert made.supervised_tokens == padded.supervised_tokens
    assert padded.nonpadding_tokens == sum(len(s.ids) for s in sequences)
    assert made.nonpadding_tokens == 2 * padded.nonpadding_tokens + 4


def test_batches_that_train_on_other_tokens_are_refused(registry):
    class Less(Rows):
        def batches(self, examples, pad):
            return batch.collate(examples[1:], pad).inputs

    with pytest.raises(PluginError, match=r"it trains on 6 tokens of examples that have 11"):
        brought.batches([Less()], STEPS[:1], 0)


def test_a_model_that_is_loaded_is_on_the_device(registry, model):
    class Loads(Strategy):
        id, summary, group = "loads", "", "loading"

        def load(self, source):
            return model

    def loaded(source, device):
        return brought.model([Loads()], source, {}, SETTINGS, torch.device(device))

    assert loaded("somewhere", "cpu") is model
    with pytest.raises(PluginError, match="a model on cpu, not on meta"):
        loaded("somewhere", "meta")


class Loop(Strategy):
    """The harness's loop in a few lines, which a test has do something wrong."""

    id, summary, group = "loop", "", "training loop"
    wrong: str = ""

    def train(self, model, steps, optimizer, step):
        for number, inputs in enumerate(steps[:-1] if self.wrong == "less" else steps):
            if self.wrong == "short":
                inputs = [{name: value[:1] for name, value in inputs[0].items()}]
            loss = model(**inputs[0], use_cache=False).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for group in optimizer.param_groups:
                group["lr"] = 123.0
            for _ in range({"idle": 0, "twice": 2}.get(self.wrong, 1)):
                optimizer.step()
            optimizer.zero_grad()
            step(float("nan") if self.wrong == "nan" and number else loss)
        if self.wrong == "more":
            step(loss)


def looped(model, wrong="", settings=SETTINGS, steps=STEPS):
    """The steps of a training in that loop."""
    kept = Watcher()
    optimizer = train.adamw(list(model.parameters()), SETTINGS)
    share = brought.share_of_rate([], SETTINGS)
    loop.train(Loop(wrong=wrong), model, optimizer, steps, settings, nullcontext, kept, share)
    return kept.steps


def test_tokens_that_encoder_and_decoder_read_in_a_loop_of_ones_own_are_counted():
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=32, d_model=8, d_kv=4, d_ff=8, num_layers=1, decoder_start_token_id=0
    )
    pairs = [Tokens(s.ids, s.prompt, paired=True) for s in SEQUENCES]
    steps = [[batch.collate(pairs[n : n + 2], 0)] for n in range(4)]
    made = looped(T5ForConditionalGeneration(config), steps=steps)
    assert [s.padded_tokens for s in made] == [b.padded_tokens for [b] in steps]


def test_a_loop_of_ones_own_is_told_of_as_the_harnesss_is(pristine_model):
    own, usual = (
        [s.model_dump(exclude={"seconds"}) for s in steps]
        for steps in (looped(copy.deepcopy(pristine_model)), trained(copy.deepcopy(pristine_model)))
    )
    assert own == usual


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("less", "it took 3 steps of 4"),
        ("more", "it calls step more often than the 4 times planned"),
        ("idle", "its step 1 stepped the optimiser 0 times, not once"),
        ("twice", "its step 1 stepped the optimiser 2 times, not once"),
        ("short", "its step 1 put 9 tokens through the model where its examples have 17"),
    ],
)
def test_a_loop_that_does_not_take_the_steps_that_it_is_given_is_refused(
    registry, model, wrong, said
):
    with pytest.raises(PluginError, match=f"'loop' of .* failed in train .{said}"):
        looped(model, wrong)


def test_a_loop_of_ones_own_may_diverge_and_cannot_scale_the_loss(model):
    with pytest.raises(train.Diverged):
        looped(model, "nan")
    with pytest.raises(CannotRun, match="take another --precision than fp16-mixed"):
        looped(model, settings=SETTINGS.model_copy(update={"precision": "fp16-mixed"}))


def test_a_loop_of_ones_own_decides_the_loss_as_well(registry):
    with pytest.raises(CompositionError, match="both decide the loss"):
        composition.complete([Loop(), Doubled()])
