from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch

from llmbench.record.settings import Settings
from llmbench.worker import effective, tensor, train
from llmbench.worker.batch import collate
from llmbench.worker.encoding import Tokens
from llmbench.worker.training import make_optimizer

CPU = torch.device("cpu")
NOTHING = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))])
"""An optimiser of no weight of the model's."""


def batch(*lengths: int):
    return collate([Tokens(tuple(range(1, n + 1)), 1) for n in lengths], pad=0)


def seen(model, context=nullcontext):
    model.train()
    with context(), effective.seen_in(model, CPU) as facts:
        train.forward_loss(model, batch(5, 8))
    return facts


def test_types_are_those_of_the_tensors(model):
    base = tensor.base_of(model)
    model.to(torch.bfloat16).requires_grad_(False)
    model.lora = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(model.lora.parameters())
    assert effective.of_weights(model, base, optimizer) == {
        "base_weights": "bfloat16",
        "trained_weights": "float32",
        "gradients": "float32",
        "master_weights": "none",
    }


def test_copies_that_take_the_updates_are_named(model):
    base = tensor.base_of(model)
    model.to(torch.bfloat16)
    optimizer = make_optimizer(model, (), Settings(precision="bf16-master"))
    assert effective.of_weights(model, base, optimizer) == {
        "base_weights": "bfloat16",
        "trained_weights": "bfloat16",
        "gradients": "float32",
        "master_weights": "float32",
    }


def test_a_model_of_several_types_has_them_all_and_one_that_does_not_train_has_none(model):
    base = tensor.base_of(model)
    model.requires_grad_(False).lm_head.to(torch.bfloat16)
    found = effective.of_weights(model, base, NOTHING)
    assert found["base_weights"] == "bfloat16, float32"
    assert found["trained_weights"] == "none"


def test_a_packed_weight_is_of_the_type_that_is_packed_in_it():
    layers = pytest.importorskip("bitsandbytes.nn")
    model = torch.nn.Sequential(layers.Linear4bit(64, 64, quant_type="nf4").to("cpu"))
    assert "nf4" in effective.of_weights(model, tensor.base_of(model), NOTHING)["base_weights"]


def test_shapes_are_those_of_the_batches():
    found = effective.of_batches([[batch(8, 4), batch(2, 10)], [batch(10, 10)] * 2])
    assert found == {
        "micro_batch": "2",
        "accumulation": "2",
        "longest_sequence": "10",
        "padding": "15.8%",
    }


def test_cells_that_share_their_shapes_hold_equal_facts():
    assert effective.of_batches([[batch(8, 4)]]) == effective.of_batches([[batch(4, 8)]])


def test_states_have_the_type_that_the_optimiser_gave_them(model):
    optimizer = torch.optim.AdamW(model.to(torch.bfloat16).parameters())
    train.forward_loss(model, batch(5)).backward()
    assert effective.of_optimizer(optimizer) == {"optimizer_states": "none"}
    optimizer.step()
    assert effective.of_optimizer(optimizer) == {"optimizer_states": "bfloat16"}
    assert effective.paged_bytes(optimizer) == 0


def test_only_states_in_managed_memory_are_paged():
    weight = torch.nn.Parameter(torch.ones(8))
    optimizer = torch.optim.SGD([weight])
    paged = torch.ones(8)
    paged.is_paged = True  # as bitsandbytes marks them
    optimizer.state[weight] = {"state1": paged, "state2": torch.ones(8)}
    assert effective.paged_bytes(optimizer) == 32


def test_checkpointing_is_on_where_it_is_active(model):
    assert seen(model)["gradient_checkpointing"] == "off"
    model.gradient_checkpointing_enable()
    assert seen(model)["gradient_checkpointing"] == "on"
    assert not effective.checkpoints(model.eval())


def test_autocast_is_seen_where_it_is_in_force(model):
    assert seen(model)["autocast"] == "off"

    def context():
        return torch.autocast("cpu", torch.bfloat16)

    assert seen(model, context)["autocast"] == "bfloat16"


def test_looking_leaves_no_hook_behind(model):
    seen(model)
    assert not model.get_input_embeddings()._forward_hooks


def test_the_flags_are_torchs_own():
    before = effective.of_torch(torch.device("cpu"))
    torch.use_deterministic_algorithms(True)
    try:
        after = effective.of_torch(torch.device("cpu"))
    finally:
        torch.use_deterministic_algorithms(False)
    assert (before["deterministic"], after["deterministic"]) == ("off", "on")
    assert before["matmul_precision"] == torch.get_float32_matmul_precision()
