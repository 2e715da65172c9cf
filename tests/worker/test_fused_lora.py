from __future__ import annotations

import copy

import pytest
import torch
from records import environment
from torch._dynamo.utils import counters
from transformers import AutoModelForCausalLM

from llmbench.config import composition
from llmbench.errors import CompositionError
from llmbench.plugin.strategy import CannotRun
from llmbench.record.settings import Settings
from llmbench.worker import batch, brought, checkpoint, load, train
from llmbench.worker.cell import prepared
from llmbench.worker.encoding import Tokens
from llmbench.worker.running import training_context
from llmbench_fast import sharing
from llmbench_fast.joined import WHOLE, joined, operations, operator
from llmbench_fast.unpacking import unpacked

pytestmark = pytest.mark.usefixtures("compiler")
BATCH = batch.collate([Tokens(tuple(range(1, 30)), prompt=9), Tokens((1, 2, 3, 4), prompt=1)], 0)
SETTINGS = Settings(steps=2)


def test_outputs_and_gradients_are_those_of_the_products_one_by_one():
    torch.manual_seed(0)
    kind = {"dtype": torch.float64}
    rows = torch.randn(6, 8, **kind, requires_grad=True)
    weights = [torch.randn(n, 8, **kind) for n in (5, 12)]
    downs = [torch.randn(r, 8, **kind, requires_grad=True) for r in (2, 3)]
    ups = [torch.randn(n, r, **kind, requires_grad=True) for n, r in ((5, 2), (12, 3))]
    scales, given = [2.0, 0.3], [rows, *downs, *ups]
    apart = [
        rows @ w.t() + s * (rows @ d.t()) @ u.t()
        for w, d, u, s in zip(weights, downs, ups, scales, strict=True)
    ]
    together = joined(rows, weights, WHOLE, downs, ups, scales)
    stacked = joined(rows, [torch.cat(weights)], WHOLE, downs, ups, scales)[0]
    slopes = [torch.randn_like(o) for o in apart]
    wanted = torch.autograd.grad(apart, given, slopes)
    found = torch.autograd.grad(together, given, slopes)
    torch.testing.assert_close(together, apart)
    torch.testing.assert_close(stacked, torch.cat(apart, dim=1))
    torch.testing.assert_close(found, wanted)
    torch.library.opcheck(operator, (rows, weights, WHOLE, downs, ups, scales))


def test_operations_are_counted_as_those_of_its_products():
    shapes = ([6, 8], [[5, 8], [12, 8]], WHOLE, [[2, 8], [3, 8]], [[5, 2], [12, 3]])
    products = [(6, 8, 5), (6, 8, 12), (6, 8, 5), (6, 2, 5), (6, 3, 12)]
    assert operations(*shapes) == sum(2 * a * b * c for a, b, c in products)


def loaded(model, members):
    """The model as the members load it, with weights that are the same for all."""
    kwargs = load.load_kwargs(SETTINGS, environment("cpu"), members) | {"trust_remote_code": False}
    quantization, cpu = kwargs.get("quantization_config"), torch.device("cpu")
    config = copy.deepcopy(model.config)
    made = load.random_model(AutoModelForCausalLM, config, kwargs, quantization, cpu, 0)
    checkpoint.mend_packed(made)
    return made


def taken(model, text):
    """The loss of evaluation and of training, and every gradient by name."""
    members = composition.read(text).members
    ready = loaded(model, members)
    torch.manual_seed(0)
    ready = prepared(ready, members, SETTINGS)
    for name, parameter in ready.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    before = train.first_loss(ready, BATCH)
    ready.train()
    with training_context(members):
        loss = brought.loss(members)(ready, BATCH)
        loss.backward()
    grads = {n: p.grad for n, p in ready.named_parameters() if p.grad is not None}
    return before, loss.item(), grads


@pytest.mark.parametrize(
    "text",
    [
        "lora(r=4)",
        "lora(r=4)+gradient-checkpointing",
        "lora(r=4)+compile(backend=aot_eager)",
        "lora(r=4)+fp8(emulated=true)",
        "lora(r=4)+4-bit",
        "qlora(r=4)",
        "lora(r=4,alpha=7)",
    ],
)
def test_a_step_is_that_of_lora(model, text):
    part = "fused-lora(stacked=true)" if "alpha" in text else "fused-lora"
    before, loss, grads = taken(model, text)
    same, found, others = taken(model, f"{text}+{part}")
    assert same == before
    assert found == pytest.approx(loss, rel=1e-5)
    assert others.keys() == grads.keys()
    for name, wanted in grads.items():
        if "fp8" in text:  # gradients of layers that compute together have one scale
            assert (others[name] - wanted).norm() < 0.1 * wanted.norm()
        else:
            torch.testing.assert_close(others[name], wanted, rtol=1e-3, atol=1e-6)


def test_layers_share_their_graphs_when_compiled(model):
    taken(model, "lora(r=4)+fused-lora+compile(backend=aot_eager)")
    assert counters["stats"]["unique_graphs"] == 2  # the first layer's input needs no gradient
    assert not counters["graph_break"]


def test_layers_that_read_one_input_are_found_whatever_they_are_called(model):
    ready = prepared(model, composition.read("lora").members, SETTINGS)
    names = {id(m): n.rsplit(".", 1)[-1] for n, m in ready.named_modules()}
    found = sharing.groups(ready, sharing.adapted(ready))
    kinds = [[names[id(layer)] for layer in group] for group in found]
    assert kinds[:4] == [
        ["q_proj", "k_proj", "v_proj"],
        ["o_proj"],
        ["gate_proj", "up_proj"],
        ["down_proj"],
    ]


@pytest.mark.parametrize(("block", "nested"), [(64, False), (64, True), (128, True)])
def test_packed_weights_are_taken_apart_where_their_scales_are_the_usual_ones(block, nested):
    from bitsandbytes import functional, nn

    values = torch.randn(48, 96)
    packed, state = functional.quantize_4bit(
        values, blocksize=block, compress_statistics=nested, quant_type="nf4"
    )
    base = nn.Linear4bit(96, 48, quant_type="nf4")
    base.weight = nn.Params4bit(
        packed, requires_grad=False, quant_state=state, bnb_quantized=True, module=base
    )
    form, parts = sharing.parts_of([base], stack=False)
    if block == 64:
        found = unpacked(parts, form, (48, 96), torch.float32)
        assert torch.equal(found, functional.dequantize_4bit(packed, state))
    else:
        assert form is None


def test_what_cannot_be_joined_is_refused(model):
    with pytest.raises(CompositionError, match="write lora"):
        composition.read("full+fused-lora")
    with pytest.raises(CompositionError, match="take ddp"):
        composition.read("lora+fused-lora+fsdp")
    with pytest.raises(CannotRun, match="without dropout"):
        prepared(model, composition.read("lora(dropout=0.1)+fused-lora").members, SETTINGS)
    mixed = Settings(precision="bf16-mixed")
    fused = composition.read("fused-lora").members[-1]
    assert "autocast" in fused.skip(mixed, environment("cuda"))
