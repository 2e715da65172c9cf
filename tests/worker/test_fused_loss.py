from __future__ import annotations

import copy

import pytest
import torch
from records import environment
from torch.nn import functional
from transformers import Gemma2Config, Gemma2ForCausalLM

from llmbench.config import composition
from llmbench.plugin.strategy import CannotRun
from llmbench.record.settings import Settings
from llmbench.worker import batch, brought, train
from llmbench.worker.cell import prepared
from llmbench.worker.encoding import Tokens
from llmbench_fast.chunked import (
    chunk_size,
    fusable_loss_and_slope,
    linear_cross_entropy,
    loss_and_slope,
)
from llmbench_fast.compile import missing
from llmbench_fast.cross_entropy import FusedCrossEntropy

BATCH = batch.collate([Tokens(tuple(range(1, 30)), prompt=9), Tokens((1, 2, 3, 4), prompt=1)], 0)
SETTINGS = Settings(steps=2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("of_chunk", [loss_and_slope, fusable_loss_and_slope])
def test_loss_and_gradients_are_those_of_all_logits_at_once(dtype, biased, of_chunk):
    torch.manual_seed(0)
    tokens, width, vocabulary = 70, 16, 90
    assert chunk_size(tokens, width, vocabulary) < tokens
    hidden = torch.randn(tokens, width).to(dtype)
    weight, bias = torch.randn(vocabulary, width).to(dtype), torch.randn(vocabulary).to(dtype)
    labels = torch.randint(vocabulary, (tokens,))
    labels[::3] = -100

    def taken(compute):
        given = [t.clone().requires_grad_() for t in (hidden, weight, bias)]
        loss = compute(given[0], given[1], given[2] if biased else None)
        (3 * loss).backward()
        return [loss.detach(), *(g.grad for g in given[: 3 if biased else 2])]

    found = taken(lambda h, w, b: linear_cross_entropy(h, w, b, labels, of_chunk))
    wanted = taken(
        lambda h, w, b: functional.cross_entropy(functional.linear(h, w, b).float(), labels)
    )
    close = 1e-5 if dtype is torch.float32 else 1e-2
    assert found[0] == pytest.approx(wanted[0].item(), rel=1e-6)
    for ours, theirs in zip(found[1:], wanted[1:], strict=True):
        assert (ours - theirs).float().norm() <= close * theirs.float().norm()


def test_a_small_gradient_survives_half_precision():
    hidden = torch.randn(4, 8, dtype=torch.float16, requires_grad=True)
    weight, labels = torch.randn(50, 8, dtype=torch.float16), torch.arange(4)
    (2**16 * linear_cross_entropy(hidden, weight, None, labels)).backward()
    assert hidden.grad.isfinite().all()
    assert hidden.grad.abs().max() > 1


COMPILED = pytest.param(
    "lora",
    "(kernel=compiled)",
    marks=pytest.mark.skipif(bool(missing(environment("cpu"))), reason="there is no compiler"),
)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        *((t, "") for t in ("full", "lora", "lora+gradient-checkpointing", "prompt-tuning")),
        COMPILED,
    ],
)
def test_a_step_is_that_of_the_models_own_loss_and_evaluation_has_it_too(model, text, options):
    found = {}
    for kind in (text, f"{text}+fused-cross-entropy{options}"):
        members = composition.read(kind).members
        torch.manual_seed(0)
        ready = prepared(copy.deepcopy(model), members, SETTINGS)
        before = train.first_loss(ready, BATCH)
        ready.train()
        loss = brought.loss(members)(ready, BATCH)
        loss.backward()
        grads = [p.grad for p in ready.parameters() if p.grad is not None]
        found[kind] = (before, loss.item(), grads, train.first_loss(ready, BATCH))
    one, other = found.values()
    assert other[0] == one[0] == other[3]
    assert other[1] == pytest.approx(one[1], rel=1e-6)
    assert len(other[2]) == len(one[2])
    for ours, theirs in zip(other[2], one[2], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-6)


def test_a_model_that_changes_its_logits_is_refused():
    sizes = {"hidden_size": 16, "intermediate_size": 16, "head_dim": 8, "vocab_size": 64}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "num_hidden_layers": 1}
    capped = Gemma2ForCausalLM(Gemma2Config(**sizes, **heads))
    with pytest.raises(CannotRun, match="changes its logits"):
        FusedCrossEntropy().loss(capped, BATCH.inputs)
    assert "forward" not in vars(capped.lm_head)


def test_an_output_layer_of_another_kind_is_refused(model):
    model.lm_head = torch.nn.Sequential(model.lm_head)
    with pytest.raises(CannotRun, match="no plain linear layer"):
        FusedCrossEntropy().prepare(model, SETTINGS)


def test_compiled_kernels_need_a_compiler_and_are_not_predicted(model, monkeypatch):
    compiled = FusedCrossEntropy(kernel="compiled")
    monkeypatch.setattr("llmbench_fast.compile.which", lambda name: None)
    assert "C++ compiler" in compiled.skip(SETTINGS, environment("cpu"))
    with pytest.raises(CannotRun, match="not predicted"):
        compiled.prepare(model.to("meta"), SETTINGS)


def test_kernels_of_liger_need_a_gpu_and_the_package_and_are_not_predicted(model, monkeypatch):
    liger = FusedCrossEntropy(kernel="liger")
    assert "need a GPU" in liger.skip(SETTINGS, environment("cpu"))
    monkeypatch.setattr("llmbench_fast.cross_entropy.find_spec", lambda name: None)
    assert "not installed" in liger.skip(SETTINGS, environment("cuda"))
    with pytest.raises(CannotRun, match="not predicted"):
        liger.prepare(model.to("meta"), SETTINGS)
