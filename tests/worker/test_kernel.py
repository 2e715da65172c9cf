from __future__ import annotations

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from llmbench.plugin.strategy import CannotRun
from llmbench.worker import batch, effective, train
from llmbench.worker.encoding import Tokens

BATCH = batch.collate([Tokens(tuple(range(1, 40)), prompt=9), Tokens((1, 2, 3), prompt=1)], 0)


def seen(model, attention: str) -> frozenset[str]:
    """The kernels that one training step's forward pass uses."""
    model.set_attn_implementation(attention)
    model.train()
    return effective.observe(lambda: train.forward_loss(model, BATCH), attention)


def test_sdpa_on_a_cpu_runs_on_torchs_flash_kernel(model):
    assert seen(model, "sdpa") == {"flash"}


def test_eager_attention_runs_on_no_fused_kernel(model):
    assert seen(model, "eager") == {"eager"}


def test_where_flash_is_forbidden_the_fallback_is_seen(model):
    with sdpa_kernel(SDPBackend.MATH):
        assert seen(model, "sdpa") == {"math"}


def test_observing_changes_no_result(model):
    plain = train.forward_loss(model, BATCH)
    watched = []
    effective.observe(lambda: watched.append(train.forward_loss(model, BATCH)), "sdpa")
    assert torch.equal(plain, watched[0])


def test_where_no_allowed_kernel_takes_the_attention_the_cell_cannot_run(model):
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.1  # torch's flash kernel for CPUs has no dropout
    with (
        sdpa_kernel(SDPBackend.FLASH_ATTENTION),
        pytest.raises(CannotRun, match="No allowed kernel takes this model's attention here"),
    ):
        seen(model, "sdpa")


def test_other_errors_are_not_taken_for_that():
    def fail():
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        effective.observe(fail, "sdpa")
