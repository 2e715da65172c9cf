from __future__ import annotations

import copy

import pytest
import torch
from torch._functorch import config
from torch.utils.flop_counter import FlopCounterMode

from llmbench.config import composition
from llmbench.errors import CompositionError
from llmbench.plugin.strategy import CannotRun
from llmbench.record.settings import Settings
from llmbench.worker import batch, train
from llmbench.worker.cell import prepared
from llmbench.worker.encoding import Tokens
from llmbench.worker.running import training_context
from llmbench_fast.activation_budget import count_packed

pytestmark = pytest.mark.usefixtures("compiler")
BATCH = batch.collate([Tokens(tuple(range(1, 40)), prompt=9)] * 2, 0)
SETTINGS = Settings(steps=2)


def kept(model, text):
    """Bytes that are kept for the backward pass, and the gradients."""
    torch._dynamo.reset()
    members = composition.read(text).members
    torch.manual_seed(0)
    ready = prepared(copy.deepcopy(model), members, SETTINGS)
    ready.train()
    sizes: dict[int, int] = {}

    def look(tensor):
        sizes[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    with training_context(members):
        with torch.autograd.graph.saved_tensors_hooks(look, lambda t: t):
            loss = train.forward_loss(ready, BATCH)
        loss.backward()
    weights = {p.data_ptr() for p in ready.parameters()}
    grads = [p.grad for p in ready.parameters() if p.requires_grad]
    return sum(size for address, size in sizes.items() if address not in weights), grads


def test_less_is_kept_the_smaller_the_budget_and_gradients_are_the_same(model):
    all_kept, wanted = kept(model, "lora+compile(backend=aot_eager)")
    half, found = kept(model, "lora+activation-budget(share=0.5,backend=aot_eager)")
    least, again = kept(model, "lora+activation-budget(share=0,backend=aot_eager)")
    assert least < half < all_kept
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(again, wanted)
    assert config.activation_memory_budget == 1.0


@pytest.mark.parametrize("other", ["compile", "gradient-checkpointing"])
def test_it_compiles_itself_and_decides_the_memory(other):
    assert composition.read("activation-budget").id == "full+activation-budget"
    with pytest.raises(CompositionError, match="both decide the"):
        composition.read(f"lora+activation-budget+{other}")


def test_its_memory_is_not_predicted(model):
    [budget] = composition.read("activation-budget").members[1:]
    with pytest.raises(CannotRun, match="not predicted"):
        budget.prepare(model.to("meta"), SETTINGS)


def test_a_product_with_a_packed_weight_counts_as_one_with_a_whole_one():
    from bitsandbytes.nn import LinearNF4

    count_packed()
    count_packed()
    layer = LinearNF4(64, 32, bias=False, compute_dtype=torch.float32).to("cpu")
    with FlopCounterMode(display=False) as counted:
        layer(torch.randn(2, 5, 64, requires_grad=True))
    assert counted.get_total_flops() == 2 * 10 * 64 * 32
