from __future__ import annotations

import copy
import math
import weakref
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from watching import Watcher

from llmbench.record.settings import Settings
from llmbench.worker import batch, train
from llmbench.worker.encoding import Tokens
from llmbench.worker.train import Diverged, schedule


def settings(**values) -> Settings:
    return Settings(**{"steps": 3, "batch_size": 2, "learning_rate": 1e-2, **values})


def sequences(count: int = 32) -> list[Tokens]:
    """Sequences of unlike length and unlike share of supervised tokens."""
    generator = torch.Generator().manual_seed(0)
    made = []
    for index in range(count):
        ids = torch.randint(1, 300, (6 + index % 9,), generator=generator).tolist()
        made.append(Tokens(tuple(ids), prompt=2 + index % 4))
    return made


def run(model, wanted: Settings, batches=None, optimizer=None):
    """Train the model; returns the steps that were reported."""
    watcher = Watcher()
    train.train(
        model,
        optimizer or train.adamw(list(model.parameters()), wanted),
        batches if batches is not None else batch.steps(sequences(), wanted, seed=0, pad=0),
        wanted,
        nullcontext,
        watcher,
    )
    return watcher.steps


def shares(**values) -> list[float]:
    wanted = settings(**values)
    share = schedule(wanted)
    return [share(step) for step in range(wanted.steps)]


def test_the_rate_rises_in_even_steps_and_falls_in_a_line():
    assert shares(steps=6, lr_warmup_ratio=1 / 3, schedule="linear") == pytest.approx(
        [0.5, 1, 1, 0.75, 0.5, 0.25]
    )


def test_the_cosine_falls_slowly_at_both_ends():
    assert shares(steps=4, lr_warmup_ratio=0, schedule="cosine") == pytest.approx(
        [1, (1 + math.cos(math.pi / 4)) / 2, 0.5, (1 + math.cos(3 * math.pi / 4)) / 2]
    )


def test_the_constant_rate_stays_after_its_rise():
    assert shares(steps=4, lr_warmup_ratio=0.5, schedule="constant") == pytest.approx(
        [0.5, 1, 1, 1]
    )


@pytest.mark.parametrize("kind", ["linear", "cosine", "constant"])
@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("ratio", [0, 0.1, 0.99])
def test_every_step_learns_something(kind, steps, ratio):
    found = shares(steps=steps, lr_warmup_ratio=ratio, schedule=kind)
    assert all(0 < share <= 1 for share in found)
    assert max(found) == pytest.approx(1)


def test_a_step_reports_the_rate_that_it_used(model):
    found = run(model, settings(steps=4, lr_warmup_ratio=0.5))
    assert [s.learning_rate for s in found] == pytest.approx([5e-3, 1e-2, 1e-2, 5e-3])


def test_a_step_reports_the_tokens_of_all_its_micro_batches(model):
    wanted = settings(accumulation=3, steps=1)
    (step,) = batch.steps(sequences(), wanted, 0, 0)
    (found,) = run(model, wanted, [step])
    assert found.supervised_tokens == sum(b.supervised_tokens for b in step)
    assert found.nonpadding_tokens == sum(b.nonpadding_tokens for b in step)
    assert found.padded_tokens == sum(b.padded_tokens for b in step)
    assert found.nonpadding_tokens < found.padded_tokens


def test_training_learns(model):
    found = run(model, settings(steps=30, batch_size=4), optimizer=None)
    assert found[-1].loss < found[0].loss - 0.5


def test_the_first_steps_loss_is_the_first_loss(model):
    batches = batch.steps(sequences(), settings(), 0, 0)
    before = train.first_loss(model, batches[0][0])
    assert run(model, settings(), batches)[0].loss == pytest.approx(before, rel=1e-5)


def test_the_first_loss_is_the_mean_over_supervised_tokens(model):
    made = batch.collate(sequences(3), pad=0)
    logits = model(input_ids=made.input_ids).logits[:, :-1]
    wanted = made.labels[:, 1:]
    chosen = wanted != batch.IGNORED
    by_hand = torch.nn.functional.cross_entropy(logits[chosen], wanted[chosen])
    assert train.first_loss(model, made) == pytest.approx(by_hand.item(), rel=1e-5)


def test_padding_changes_no_loss(model):
    alone, longer = sequences(9)[0], sequences(9)[8]
    one = train.first_loss(model, batch.collate([alone], 0))
    other = train.first_loss(model, batch.collate([longer], 0))
    counts = [batch.collate([s], 0).supervised_tokens for s in (alone, longer)]
    together = train.first_loss(model, batch.collate([alone, longer], 0))
    weighted = (one * counts[0] + other * counts[1]) / sum(counts)
    assert together == pytest.approx(weighted, rel=1e-5)


def test_two_micro_batches_of_four_are_one_of_eight(model):
    other = copy.deepcopy(model)
    whole = settings(batch_size=8, accumulation=1)
    parts = settings(batch_size=4, accumulation=2)
    # Plain gradient descent: Adam would blow up rounding where gradients are all but zero.
    first = run(model, whole, optimizer=torch.optim.SGD(model.parameters(), lr=0.1))
    second = run(other, parts, optimizer=torch.optim.SGD(other.parameters(), lr=0.1))
    assert [s.loss for s in second] == pytest.approx([s.loss for s in first], rel=1e-5)
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)


def test_gradients_are_clipped_to_the_norm(model):
    before = [p.detach().clone() for p in model.parameters()]
    wanted = settings(steps=1, lr_warmup_ratio=0, max_grad_norm=1e-3)
    run(model, wanted, optimizer=torch.optim.SGD(model.parameters(), lr=1.0))
    after = [p.detach() for p in model.parameters()]
    moved = sum(((p - b) ** 2).sum().item() for p, b in zip(after, before, strict=True))
    assert math.sqrt(moved) == pytest.approx(1e-3, rel=1e-2)


def test_only_what_requires_a_gradient_is_trained(model):
    model.requires_grad_(False)
    model.lm_head.requires_grad_(True)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    run(model, settings())
    changed = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert changed == {"lm_head.weight"}


def test_a_loss_that_is_no_number_is_reported_and_ends_training(model):
    with torch.no_grad():
        model.lm_head.weight[0, 0] = math.nan
    watcher = Watcher()
    wanted = settings()
    batches = batch.steps(sequences(), wanted, 0, 0)
    optimizer = train.adamw(list(model.parameters()), wanted)
    with pytest.raises(Diverged, match="became nan: try a lower learning rate"):
        train.train(model, optimizer, batches, wanted, nullcontext, watcher)
    assert [s.loss for s in watcher.steps] == [None]


def test_every_micro_batch_runs_in_the_strategies_context(model):
    entered = []

    class Context:
        def __enter__(self):
            entered.append(torch.is_grad_enabled())

        def __exit__(self, *error):
            pass

    wanted = settings(accumulation=2)
    batches = batch.steps(sequences(), wanted, 0, 0)
    train.train(
        model,
        train.adamw(list(model.parameters()), wanted),
        batches,
        wanted,
        Context,
        train.Observer(),
    )
    assert entered == [True] * 6


def test_an_observer_is_told_where_the_training_is(model):
    class Diary(train.Observer):
        def __init__(self):
            self.pages = []

        def write(self, page):
            gradients = {p.grad is not None for p in model.parameters()}
            self.pages.append((page, *gradients))

        def before_step(self, number):
            self.write(number)

        def after_forward(self):
            self.write("forward")

        def before_clearing(self):
            self.write("stepped")

        def after_step(self, step):
            self.write("ended")

    diary = Diary()
    wanted = settings(steps=2, accumulation=2)
    batches = batch.steps(sequences(), wanted, 0, 0)
    train.train(
        model, train.adamw(list(model.parameters()), wanted), batches, wanted, nullcontext, diary
    )
    parts = [("forward", False), ("forward", True), ("stepped", True), ("ended", False)]
    assert diary.pages == [(0, False), *parts, (1, False), *parts]


def test_the_first_loss_leaves_dropout_off_and_no_gradient(model):
    model.train()
    made = batch.collate(sequences(3), pad=0)
    train.first_loss(model, made)
    assert not model.training
    assert all(p.grad is None for p in model.parameters())


def test_training_turns_dropout_on(model):
    model.eval()
    run(model, settings())
    assert model.training


def test_the_same_seed_trains_to_the_same_weights(model):
    other = copy.deepcopy(model)
    run(model, settings())
    run(other, settings())
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)


class Keeping(torch.autograd.Function):
    """Keeps its input as bitsandbytes' LLM.int8() does: where the backward pass frees nothing."""

    @staticmethod
    def forward(ctx, values, kept):
        ctx.kept = values.clone()
        kept.append(weakref.ref(ctx.kept))
        return values.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class Bigram(torch.nn.Module):
    """A model with the loss of a causal one, whose activations are kept by their graph."""

    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(300, 300)
        self.kept, self.held = [], []

    def forward(self, input_ids, labels, use_cache):
        self.held.append(sum(kept() is not None for kept in self.kept))
        logits = Keeping.apply(self.table(input_ids), self.kept)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        return SimpleNamespace(loss=loss)


def test_a_forward_pass_starts_without_the_graph_of_the_one_before():
    model = Bigram()
    run(model, settings(accumulation=2))
    assert model.held == [0] * 6
