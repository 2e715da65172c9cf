"""Recorded steps on an NVIDIA GPU, held against the same steps as they are written."""

from __future__ import annotations

import copy

import pytest
import torch
from watching import Watcher

from llmbench.config import composition
from llmbench.plugin.strategy import CannotRun
from llmbench.record.settings import Settings
from llmbench.worker import batch, brought, compiled
from llmbench.worker.cell import prepared
from llmbench.worker.encoding import Tokens
from llmbench.worker.running import seed_everything, training_context
from llmbench.worker.train import train
from llmbench.worker.training import make_optimizer

pytestmark = pytest.mark.gpu
BRIEF = [Tokens(tuple(range(1, 30)), prompt=9), Tokens(tuple(range(3, 20)), prompt=2)]
LONG = [Tokens(tuple(range(1, 60)), prompt=9)] * 2


def steps_of(accumulation):
    """Micro-batches of two lengths, which come again, mixed within a step."""
    order = [BRIEF, LONG, LONG, BRIEF, BRIEF, LONG, BRIEF, LONG]
    micro = [batch.collate(sequences, 0) for sequences in order]
    return [micro[n : n + accumulation] for n in range(0, len(micro), accumulation)]


def trained(model, text, accumulation=1, precision="bf16-stochastic"):
    """The losses of all steps, and the trained weights after them."""
    torch._dynamo.reset()
    settings = Settings(
        steps=8 // accumulation, accumulation=accumulation, precision=precision, learning_rate=1e-3
    )
    members = composition.read(text).members
    seed_everything(0)
    kind = torch.float32 if precision in ("fp32", "bf16-mixed") else torch.bfloat16
    ready = prepared(copy.deepcopy(model).to("cuda", kind), members, settings).train()
    optimizer = make_optimizer(ready, members, settings)
    steps = brought.batches(members, steps_of(accumulation), 0)
    kept, loss = Watcher(), brought.loss_in_steps(members)

    def context():
        return training_context(members)

    train(ready, optimizer, steps, settings, context, kept, loss)
    torch.compiler.set_stance("default")
    weights = [p.detach().float().cpu() for p in ready.parameters() if p.requires_grad]
    return [step.loss for step in kept.steps], weights


@pytest.mark.parametrize("accumulation", [1, 2])
@pytest.mark.parametrize("precision", ["bf16-stochastic", "bf16-true", "bf16-master", "fp32"])
@pytest.mark.parametrize("adaptation", ["lora(dropout=0)", "full"])
def test_recorded_steps_are_those_that_are_not(model, adaptation, precision, accumulation):
    recorded, ended = trained(
        model, f"{adaptation}+cuda-graphs(multiple=32)", accumulation, precision
    )
    plain, wanted = trained(model, adaptation, accumulation, precision)
    assert recorded == pytest.approx(plain, rel=5e-3)
    assert recorded[-1] < recorded[0]
    moved = sum((a - b).square().sum() for a, b in zip(ended, wanted, strict=True)).sqrt()
    size = sum(b.square().sum() for b in wanted).sqrt()
    assert moved / size < 0.05


@pytest.mark.parametrize(
    "parts",
    [
        "compile",
        "activation-budget(share=0)",
        "fused-lora+compile+fused-cross-entropy(kernel=compiled)",
        "fused-cross-entropy",
        "flash-attention",
        "4-bit",
    ],
)
def test_parts_are_recorded_with_the_rest(model, parts):
    recorded, _ = trained(model, f"lora+{parts}+cuda-graphs(multiple=32)")
    plain, _ = trained(model, f"lora+{parts}")
    assert recorded == pytest.approx(plain, rel=1e-2)
    assert recorded[-1] < recorded[0]


def test_every_shape_is_recorded_once(model, monkeypatch):
    monkeypatch.setattr(compiled, "RECORDED", compiled.Recordings())
    trained(model, "lora+cuda-graphs(multiple=32)")
    assert compiled.RECORDED.times == 2
    assert compiled.RECORDED.seconds > 0


def test_dropout_draws_anew_at_every_replay(model):
    losses = set()
    members = composition.read("lora(dropout=0.5)+cuda-graphs(multiple=32)").members
    settings = Settings(steps=1)
    ready = prepared(copy.deepcopy(model).to("cuda", torch.bfloat16), members, settings).train()
    for weight in ready.parameters():
        if weight.requires_grad:
            torch.nn.init.normal_(weight, std=0.1)
    loss = brought.loss_in_steps(members)
    [[given]] = brought.batches(members, [[batch.collate(LONG, 0)]], 0)
    for _ in range(4):
        losses.add(loss(ready, given.to(torch.device("cuda"))).item())
    assert len(losses) == 4


class Waiting(torch.nn.Module):
    """A layer that asks the GPU for a value."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, values):
        return self.layer(values) if values.abs().max().item() > 0 else values


def test_a_step_that_waits_for_the_gpu_is_refused_with_the_reason(model):
    members = composition.read("full+cuda-graphs(multiple=32)").members
    ready = prepared(copy.deepcopy(model).to("cuda", torch.bfloat16), members, Settings(steps=1))
    ready.lm_head = Waiting(ready.lm_head)
    loss = brought.loss_in_steps(members)
    [[given]] = brought.batches(members, [[batch.collate(LONG, 0)]], 0)
    with pytest.raises(CannotRun, match=r"cannot be recorded as a CUDA graph: .*captur"):
        loss(ready.train(), given.to(torch.device("cuda")))
