"""Checkpointed layers whose inputs wait on the host: the same steps, with nothing kept here."""

from __future__ import annotations

import copy

import pytest
import torch
from records import environment
from torch._dynamo.utils import counters
from torch.multiprocessing.reductions import StorageWeakRef
from transformers import AutoModelForCausalLM

import tiny_families
from llmbench.config import composition
from llmbench.errors import CompositionError
from llmbench.plugin.strategy import CannotRun
from llmbench.record.settings import Settings
from llmbench.worker import batch, brought, checkpoint, compiled, load, train
from llmbench.worker.cell import prepared
from llmbench.worker.encoding import Tokens
from llmbench.worker.running import training_context
from llmbench.worker.training import nothing_kept
from llmbench_strategies.offloading import Host, Kept, Offloaded, has_offloaded

pytestmark = pytest.mark.usefixtures("compiler")
PLAIN, OFFLOADED = "gradient-checkpointing", "gradient-checkpointing(offload=true)"
COMPILED = "+compile(backend=aot_eager)"
SETTINGS = Settings(steps=2)


def of_length(length):
    return batch.collate([Tokens(tuple(range(1, length)), prompt=3), Tokens((1, 2, 3, 4), 1)], 0)


LAYERS = 2
STEPS = [[of_length(30), of_length(12)], [of_length(19), of_length(37)]]
"""Micro-batches of two steps, of varying lengths."""


def loaded(model, text):
    """The model as the composition loads it, with weights that are the same for all, and ready."""
    members = composition.read(text).members
    kwargs = load.load_kwargs(SETTINGS, environment("cpu"), members) | {"trust_remote_code": False}
    quantization, cpu = kwargs.get("quantization_config"), torch.device("cpu")
    config = copy.deepcopy(model.config)
    made = load.random_model(AutoModelForCausalLM, config, kwargs, quantization, cpu, 0)
    checkpoint.mend_packed(made)
    torch.manual_seed(0)
    ready = prepared(made, members, SETTINGS)
    for name, parameter in ready.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    return ready, members


def trained(model, text):
    """All losses, with those of an evaluation after every step, and gradients; and the model."""
    ready, members = loaded(model, text)
    losses, grads = [], []
    optimizer = torch.optim.SGD([p for p in ready.parameters() if p.requires_grad], lr=0.1)
    for step in STEPS:
        ready.train()
        for one in step:
            with training_context(members):
                loss = brought.loss(members)(ready, one)
                loss.backward()
            losses.append(loss.item())
        grads.append([p.grad.clone() for p in ready.parameters() if p.grad is not None])
        optimizer.step()
        optimizer.zero_grad()
        losses.append(train.first_loss(ready, step[0]))
    for member in members:
        member.after_step(ready, 1)
    return losses, grads, ready


@pytest.mark.parametrize(
    ("text", "compiled"),
    [
        ("full+{}", ""),
        ("lora(r=4)+{}", ""),
        ("lora(r=4,dropout=0.5)+{}", ""),
        ("lora(r=4)+4-bit+{}", COMPILED),
        ("lora(r=4)+fused-lora+{}", COMPILED),
        ("lora(r=4)+fp8(emulated=true)+fused-lora+{}", ""),
        ("prompt-tuning+{}", COMPILED),
    ],
)
def test_steps_are_those_of_plain_checkpointing_to_the_bit(model, text, compiled):
    losses, grads, _ = trained(model, text.format(PLAIN))
    found, others, _ = trained(model, text.format(OFFLOADED) + compiled)
    assert found == losses
    assert len(grads[0]) > 0
    for one, other in zip(grads, others, strict=True):
        assert all(map(torch.equal, other, one))


BUDGET = "activation-budget(share={},backend=aot_eager)"
BUDGET_OFFLOADED = "activation-budget(share={},offload=true,backend=aot_eager)"


@pytest.mark.parametrize(("text", "share"), [("full+{}", 0), ("lora(r=4)+fused-lora+{}", 0.5)])
def test_steps_within_a_budget_are_the_same_with_inputs_on_the_host(model, text, share):
    losses, grads, _ = trained(model, text.format(BUDGET.format(share)))
    torch._dynamo.reset()
    found, others, ready = trained(model, text.format(BUDGET_OFFLOADED.format(share)))
    assert found == losses
    for one, other in zip(grads, others, strict=True):
        assert all(map(torch.equal, other, one))
    assert len(layers_of(ready)[0].host.free) == LAYERS


def test_compiled_layers_share_their_graphs_when_they_are_computed_again(model):
    ready, members = loaded(model, f"lora(r=4)+fused-lora+{OFFLOADED}{COMPILED}")
    with training_context(members):
        brought.loss(members)(ready.train(), STEPS[0][0]).backward()
    assert counters["stats"]["unique_graphs"] == 2  # the first layer's input needs no gradient
    assert not counters["graph_break"]


def layers_of(model):
    return [layer for layer in model.modules() if isinstance(layer, Offloaded)]


@pytest.mark.parametrize("family", ["T5", "BART", "GPT-2"])
def test_encoders_and_other_decoders_are_offloaded_alike(family):
    torch.manual_seed(0)
    config = next(f for f in tiny_families.FAMILIES if f.name == family).made()
    fresh, found = tiny_families.model_class(config)(config), []
    ids = torch.arange(1, 25).view(2, 12)
    for text in (f"lora+{PLAIN}", f"lora+{OFFLOADED}"):
        torch.manual_seed(0)
        ready = prepared(copy.deepcopy(fresh), composition.read(text).members, SETTINGS).train()
        torch.manual_seed(1)
        ready(input_ids=ids, labels=ids, use_cache=False).loss.backward()
        found.append([p.grad for p in ready.parameters() if p.grad is not None])
    assert all(layer.host.used for layer in layers_of(ready))
    assert len(found[0]) > 0
    assert all(map(torch.equal, *found))


def inputs_held(model, text):
    """Of the layers' inputs, how many there are still after the forward pass; and the model."""
    ready, members = loaded(model, text)
    ready.train()
    seen = []

    def look(layer, args):
        seen.append(StorageWeakRef(args[0].untyped_storage()))

    for layer in ready.get_base_model().model.layers:
        layer.register_forward_pre_hook(look)
    with training_context(members):
        loss = brought.loss(members)(ready, STEPS[0][0])
    assert len(seen) == LAYERS
    assert loss.requires_grad
    return sum(not storage.expired() for storage in seen)


@pytest.mark.parametrize("adapter", ["lora(r=4)", "lora(r=4)+fused-lora"])
def test_no_input_but_the_last_layers_is_held_after_the_forward_pass(model, adapter):
    assert inputs_held(model, f"{adapter}+{PLAIN}") == LAYERS
    assert inputs_held(model, f"{adapter}+{OFFLOADED}") == 1


@pytest.mark.parametrize("adapter", ["lora(r=4)", "lora(r=4)+fused-lora"])
@pytest.mark.parametrize(
    "part",
    [OFFLOADED, f"{OFFLOADED}{COMPILED}", BUDGET_OFFLOADED.format(0)],
)
def test_an_input_is_gone_before_the_next_is_taken(model, monkeypatch, adapter, part):
    taken, held, own = [], [], Kept.take

    def take(kept):
        held.append(sum(not storage.expired() for storage in taken))
        values = own(kept)
        taken.append(StorageWeakRef(values.untyped_storage()))
        return values

    monkeypatch.setattr(Kept, "take", take)
    ready, members = loaded(model, f"{adapter}+{part}")
    with training_context(members):
        brought.loss(members)(ready.train(), STEPS[0][0]).backward()
    assert held == [0] * LAYERS


def test_buffers_are_as_many_as_layers_however_many_steps_and_lengths(model):
    *_, ready = trained(model, f"lora(r=4)+{OFFLOADED}")
    host = layers_of(ready)[0].host
    assert len(host.free) == LAYERS


@pytest.mark.parametrize("part", [OFFLOADED, BUDGET_OFFLOADED.format(0)])
def test_a_pass_that_keeps_nothing_has_nothing_offloaded(model, part):
    ready, members = loaded(model, f"lora(r=4)+{part}")
    with training_context(members), compiled.left_out(), nothing_kept():
        brought.loss(members)(ready.train(), STEPS[0][0])
    assert not has_offloaded(ready)


@pytest.mark.parametrize("part", [OFFLOADED, BUDGET_OFFLOADED.format(0)])
def test_what_a_pass_computed_is_gone_with_its_loss(model, part):
    ready, members = loaded(model, f"lora(r=4)+{part}")
    seen = []

    def look(module, args, output):
        seen.append(StorageWeakRef(output.untyped_storage()))

    for layer in layers_of(ready):
        layer.input_layernorm.register_forward_hook(look)
    # As the layers are written, where operations keep what they gave.
    with training_context(members), compiled.left_out():
        loss = brought.loss(members)(ready.train(), STEPS[0][0])
    assert len(seen) == LAYERS
    del loss
    assert all(storage.expired() for storage in seen)


def test_a_pass_without_its_backward_gives_its_buffers_back(model):
    ready, members = loaded(model, f"lora(r=4)+{OFFLOADED}")
    host = layers_of(ready.train())[0].host
    loss = brought.loss(members)(ready, STEPS[0][0])
    assert len(host.free) == 0
    del loss
    assert len(host.free) == LAYERS


def test_a_buffer_is_used_again_if_it_is_large_enough_and_replaced_if_not():
    host = Host()
    first = host.buffer(8, pinned=False)
    host.free.append(first)
    assert host.buffer(6, pinned=False) is first
    host.free.append(first)
    larger = host.buffer(10, pinned=False)
    assert len(larger) == 10
    assert host.free == []


def test_the_input_before_is_on_its_way_when_one_is_taken():
    host, values = Host(), [torch.randn(2, 3) for _ in range(3)]
    kept = [host.keep(each) for each in values]
    assert [k.here is None for k in kept] == [True, True, False]
    assert torch.equal(kept[2].take(), values[2])
    assert [k.here is None for k in kept] == [True, False, True]
    assert torch.equal(kept[1].take(), values[1])
    assert torch.equal(kept[2].take(), values[2])  # of a graph that is kept


def test_evaluation_offloads_nothing(model):
    ready, _ = loaded(model, f"lora(r=4)+{OFFLOADED}")
    train.first_loss(ready, STEPS[0][0])
    assert not any(layer.host.used for layer in layers_of(ready))
    [_, strategy] = composition.read(f"lora(r=4)+{OFFLOADED}").members
    with pytest.raises(CannotRun, match="was offloaded"):
        strategy.after_step(ready, 1)


@pytest.mark.parametrize("text", [BUDGET_OFFLOADED.format(0), OFFLOADED])
def test_it_is_offered_where_there_is_a_gpu(text):
    [_, strategy] = composition.read(text).members
    assert "no GPU" in strategy.skip(SETTINGS, environment("cpu"))
    assert strategy.skip(SETTINGS, environment("cuda")) is None


def test_its_memory_is_not_predicted(model):
    [_, strategy] = composition.read(OFFLOADED).members
    with pytest.raises(CannotRun, match="not predicted"):
        strategy.prepare(model.to("meta"), SETTINGS)
    [_, plain] = composition.read(PLAIN).members
    assert plain.skip(SETTINGS, environment("cpu")) is None


@pytest.mark.parametrize("spread", ["fsdp", "tensor-parallel"])
@pytest.mark.parametrize("part", [OFFLOADED, BUDGET_OFFLOADED.format(0)])
def test_layers_that_are_cut_up_are_refused(spread, part):
    with pytest.raises(CompositionError, match="cut up over GPUs are not offloaded"):
        composition.read(f"full+{part}+{spread}")
    assert composition.read(f"full+{PLAIN}+{spread}")
