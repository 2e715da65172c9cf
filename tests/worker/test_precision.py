from __future__ import annotations

import copy
import gc
from contextlib import nullcontext

import pytest
import torch

from llmbench.record.precision import PRECISIONS
from llmbench.record.settings import Settings
from llmbench.worker import batch, precision, stochastic, train
from llmbench.worker.encoding import Tokens
from llmbench.worker.stochastic import StochasticAdamW
from llmbench.worker.training import make_optimizer
from llmbench_strategies.full import Full

LAST_BIT = 2**-7
"""Of 1.0 in bf16."""


def sequences(count: int = 16) -> list[Tokens]:
    generator = torch.Generator().manual_seed(0)
    return [
        Tokens(tuple(torch.randint(1, 300, (12,), generator=generator).tolist()), prompt=4)
        for _ in range(count)
    ]


def trained(model, name: str, rate: float, steps: int = 20):
    """The losses of training the model in a precision, and the model."""
    settings = Settings(
        precision=name, learning_rate=rate, steps=steps, batch_size=4, lr_warmup_ratio=0
    )
    model = model.to(precision.dtype(settings.numerics.trained))
    precision.cast_products(model, settings.numerics, torch.device("cpu"))
    precision.cast_trained(model, settings.numerics)
    losses = []

    class Watcher(train.Observer):
        def after_step(self, step):
            losses.append(step.loss)

    optimizer = make_optimizer(model, (), settings)
    batches = batch.steps(sequences(), settings, seed=0, pad=0)
    train.train(model, optimizer, batches, settings, nullcontext, Watcher())
    return losses, model


def test_rounding_is_right_on_average_and_to_a_neighbour():
    exact = torch.full((200_000,), 1 + LAST_BIT / 4)
    rounded = torch.empty(200_000, dtype=torch.bfloat16)
    torch.manual_seed(0)
    stochastic.round_into([rounded.view(2, -1)], exact.clone())
    assert set(rounded.unique().tolist()) == {1.0, 1 + LAST_BIT}
    assert rounded.float().mean().item() == pytest.approx(exact[0].item(), abs=LAST_BIT / 100)


def test_what_bf16_can_hold_is_not_rounded_away():
    exact = torch.tensor([0.0, 1.0, -2.5, 3.0e-20, -1.0e20]).bfloat16()
    rounded = torch.zeros(5, dtype=torch.bfloat16)
    stochastic.round_into([rounded], exact.float())
    assert torch.equal(rounded, exact)


def test_updates_that_rounding_would_lose_add_up():
    """Each is an eighth of the last bit: to the nearest, no weight would ever move."""
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.ones(20_000, dtype=torch.bfloat16))
    optimizer = StochasticAdamW([weight], lr=LAST_BIT / 8)
    for _ in range(80):
        weight.grad = torch.full_like(weight, 1.0)
        optimizer.step()
    assert weight.float().mean().item() == pytest.approx(1 - 80 * LAST_BIT / 8, abs=LAST_BIT / 20)


def test_a_second_moment_decays_as_it_should():
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.ones(20_000, dtype=torch.bfloat16))
    optimizer = StochasticAdamW([weight], lr=0.0)
    weight.grad = torch.full_like(weight, 1.0)
    optimizer.step()
    for _ in range(300):
        weight.grad = torch.zeros_like(weight)
        optimizer.step()
    held = optimizer.state[weight]["exp_avg_sq"].float().mean().item()
    assert held == pytest.approx(0.001 * 0.999**300, rel=0.02)
    to_the_nearest = torch.tensor(0.001).bfloat16()
    assert (to_the_nearest * 0.999).item() == to_the_nearest.item()  # why it is rounded by chance


def test_weights_of_many_buckets_are_all_stepped(monkeypatch):
    monkeypatch.setattr(stochastic, "BUCKET", 5)
    weights = [torch.nn.Parameter(torch.ones(n, dtype=torch.bfloat16)) for n in (3, 9, 2, 2)]
    optimizer = StochasticAdamW(weights, lr=0.5)
    for weight in weights[:3]:
        weight.grad = torch.ones_like(weight)
    optimizer.step()
    assert all(torch.allclose(w, torch.full_like(w, 0.5)) for w in weights[:3])
    assert torch.equal(weights[3], torch.ones_like(weights[3]))  # which had no gradient


@pytest.mark.parametrize("name", ["bf16-master", "bf16-mixed", "bf16-stochastic"])
def test_a_precision_that_keeps_its_updates_learns_as_fp32_does(pristine_model, name):
    exact, _ = trained(copy.deepcopy(pristine_model), "fp32", 2e-4)
    found, _ = trained(copy.deepcopy(pristine_model), name, 2e-4)
    lost, _ = trained(copy.deepcopy(pristine_model), "bf16-true", 2e-4)
    learnt = exact[0] - exact[-1]
    assert found[0] - found[-1] == pytest.approx(learnt, rel=0.15)
    assert lost[0] - lost[-1] < 0.85 * learnt


def test_copies_take_the_gradients_and_the_model_follows_them(model):
    _, followed = trained(model, "bf16-master", 1e-3, steps=2)
    assert all(p.grad is None for p in followed.parameters())
    assert {p.dtype for p in followed.parameters()} == {torch.bfloat16}


def test_copies_that_are_gone_take_no_gradients(model):
    """The trials of --fit make an optimiser that another follows."""
    settings = Settings(precision="bf16-master")
    model.bfloat16()
    make_optimizer(model, (), settings)
    gc.collect()
    optimizer = make_optimizer(model, (), settings)
    made = batch.collate(sequences(2), pad=0)
    train.forward_loss(model, made).backward()
    assert all(w.grad is not None for w in train.stepped(optimizer))


def test_an_optimiser_of_a_strategy_s_own_gets_copies_where_it_would_lose_updates(model):
    class Sgd(Full):
        def optimizer(self, parameters, settings):
            return torch.optim.SGD(parameters, lr=settings.learning_rate)

    model.bfloat16()
    for name in ("bf16-stochastic", "bf16-master"):
        found = make_optimizer(model, [Sgd()], Settings(precision=name))
        assert {w.dtype for w in train.stepped(found)} == {torch.float32}
    found = make_optimizer(model, [Sgd()], Settings(precision="bf16-true"))
    assert {w.dtype for w in train.stepped(found)} == {torch.bfloat16}


def test_every_precision_says_what_it_is():
    assert set(PRECISIONS) == set(Settings.model_fields["precision"].annotation.__args__)
    lossy = {name for name, held in PRECISIONS.items() if held.loses_updates}
    assert lossy == {"bf16-true"}


@pytest.mark.parametrize(
    ("typed", "meant"), [("bf16", "bf16-mixed or bf16-master"), ("fp16", "fp16-mixed")]
)
def test_a_precision_that_means_several_things_is_refused(typed, meant):
    with pytest.raises(ValueError, match=meant):
        Settings(precision=typed)


@pytest.mark.gpu
def test_on_a_gpu_the_kernel_and_the_buckets_step_as_fp32_does_on_average():
    assert stochastic.fused() is not None
    start = torch.randn(1_000_003, device="cuda").bfloat16()

    def stepped(optimizer_of, weight):
        optimizer = optimizer_of(weight)
        noise = torch.Generator("cuda").manual_seed(1)
        for _ in range(50):
            gradient = torch.randn(len(start), device="cuda", generator=noise) * 0.1 + 0.02
            weight.grad = gradient.bfloat16().to(weight.dtype)
            optimizer.step()
        return weight.detach().float() - start.float()

    def in_buckets(weight):
        made = StochasticAdamW([weight], lr=1e-4, weight_decay=0.1)
        made.kernel = None
        return made

    exact = stepped(
        lambda w: torch.optim.AdamW([w], lr=1e-4, weight_decay=0.1),
        torch.nn.Parameter(start.float()),
    ).mean()
    for way in (in_buckets, lambda w: StochasticAdamW([w], lr=1e-4, weight_decay=0.1)):
        found = stepped(way, torch.nn.Parameter(start.clone()))
        assert found.mean().item() == pytest.approx(exact.item(), rel=0.02)


def exact_step(weight, gradient, first, second, *, number, lr, betas, eps, weight_decay, seed):
    """What the kernel does, on a CPU and rounded to the nearest; `calls` counts it."""
    calls.append(weight.numel())
    steps = [torch.full((), float(number))]
    rows = [[t.float()] for t in (weight, gradient, first, second)]
    how = {"lr": lr, "beta1": betas[0], "beta2": betas[1], "weight_decay": weight_decay}
    none = {"amsgrad": False, "maximize": False}
    torch._fused_adamw_(*rows, [], steps, eps=eps, **how, **none)
    for kept, (new,) in zip((weight, gradient, first, second), rows, strict=True):
        if kept is not gradient:
            kept.copy_(new)


calls: list[int] = []


def test_small_weights_are_stepped_as_one_and_as_they_would_be_alone(monkeypatch):
    sizes = [(3, 5), (64,), (40, 40), (7,)]
    monkeypatch.setattr(stochastic, "SMALL", 1000)

    def trained(packed):
        torch.manual_seed(0)
        weights = [torch.nn.Parameter(torch.randn(s).bfloat16()) for s in sizes]
        optimizer = StochasticAdamW(weights, lr=0.1)
        optimizer.kernel = exact_step
        monkeypatch.setattr(stochastic, "is_small", is_small if packed else lambda w: False)
        calls.clear()
        for number in range(4):
            for weight in weights:
                weight.grad = torch.randn_like(weight)
            if number == 2:
                weights[1].grad = None  # a pack that is not whole is stepped one by one
            optimizer.step()
        states = [optimizer.state[w][n] for w in weights for n in ("exp_avg", "exp_avg_sq")]
        return [*(w.detach() for w in weights), *states], list(calls)

    is_small = stochastic.is_small
    together, counts = trained(packed=True)
    alone, _ = trained(packed=False)
    assert counts == [86, 1600, 86, 1600, 15, 1600, 7, 86, 1600]
    for found, wanted in zip(together, alone, strict=True):
        assert torch.equal(found, wanted)


@pytest.mark.parametrize("sizes", [[(3, 5)], [(3, 5), (64,)]])
def test_small_weights_that_are_replaced_and_states_that_are_loaded_are_seen(monkeypatch, sizes):
    def trained(packed):
        torch.manual_seed(0)
        weights = [torch.nn.Parameter(torch.randn(s).bfloat16()) for s in sizes]
        optimizer = StochasticAdamW(weights, lr=0.1)
        optimizer.kernel = exact_step
        monkeypatch.setattr(stochastic, "is_small", is_small if packed else lambda w: False)
        early = None
        for number in range(4):
            for weight in weights:
                weight.grad = torch.randn_like(weight)
            if number == 1:
                early = copy.deepcopy(optimizer.state_dict())
                weights[0].data = torch.zeros_like(weights[0])
            if number == 3:
                optimizer.load_state_dict(early)
            optimizer.step()
        return [w.detach() for w in weights]

    is_small = stochastic.is_small
    for found, wanted in zip(trained(packed=True), trained(packed=False), strict=True):
        assert torch.equal(found, wanted)


@pytest.mark.gpu
def test_on_a_gpu_many_small_weights_step_as_one_does_on_average():
    def moved(sizes):
        torch.manual_seed(0)
        weights = [torch.nn.Parameter(torch.ones(s).bfloat16().cuda()) for s in sizes]
        optimizer = StochasticAdamW(weights, lr=1e-4)
        for _ in range(20):
            for weight in weights:
                weight.grad = torch.full_like(weight, 0.5)
            optimizer.step()
        return torch.cat([w.detach().float() for w in weights]).mean().item() - 1

    assert moved([1000] * 1200) == pytest.approx(moved([1_200_000]), rel=0.02)


@pytest.mark.gpu
def test_on_a_gpu_equal_seeds_round_alike():
    def stepped():
        torch.manual_seed(3)
        weight = torch.nn.Parameter(torch.ones(5000, dtype=torch.bfloat16, device="cuda"))
        optimizer = StochasticAdamW([weight], lr=1e-4)
        for _ in range(5):
            weight.grad = torch.ones_like(weight)
            optimizer.step()
        return weight.detach()

    assert torch.equal(stepped(), stepped())
