from __future__ import annotations

import gc
from types import SimpleNamespace

import pytest
import torch

from llmbench.worker import tensor


def addresses(*tensors: torch.Tensor) -> set[int]:
    return {t.untyped_storage().data_ptr() for t in tensors}


def test_the_base_is_told_from_what_was_added_since(model):
    base = tensor.base_of(model)
    model.lora = torch.nn.Linear(4, 4, bias=False)
    ours, added = tensor.split(model, base)
    assert added == [model.lora.weight]
    assert len(ours) == len(base)


def test_weights_whose_storage_is_replaced_stay_the_bases(model):
    base = tensor.base_of(model)
    for parameter in model.parameters():
        parameter.data = parameter.data.to(torch.bfloat16)
    assert tensor.split(model, base)[1] == []


def test_remembering_the_base_keeps_none_of_it():
    model = torch.nn.Linear(4, 4)
    base = tensor.base_of(model)
    model.weight = torch.nn.Parameter(torch.ones(4, 4))
    gc.collect()
    assert len(base) == 1
    assert tensor.split(model, base)[1] == [model.weight]


def test_every_tensor_is_owned_by_what_it_is_there_for(model):
    base = tensor.base_of(model)
    model.requires_grad_(False)
    model.lora = torch.nn.Linear(4, 4, bias=False)
    optimizer = torch.optim.AdamW([model.lora.weight])
    model.lora(torch.ones(1, 4)).sum().backward()
    optimizer.step()
    found = {name: set(held) for name, held in tensor.owned(model, base, optimizer).items()}
    state = optimizer.state[model.lora.weight]
    assert found["adapter_bytes"] == addresses(model.lora.weight)
    assert found["gradients_bytes"] == addresses(model.lora.weight.grad)
    assert found["optimizer_bytes"] == addresses(*state.values())
    ours = [p for p in model.parameters() if p is not model.lora.weight]
    assert found["weights_bytes"] == addresses(*ours, *model.buffers())


def test_scales_of_a_packed_weight_are_found_however_deep():
    scales, second = torch.ones(2), torch.ones(3)
    packed = torch.nn.Parameter(torch.ones(4))
    packed.module = torch.nn.Linear(2, 2)  # the way back to a module is not gone
    packed.quant_state = SimpleNamespace(absmax=scales, state2=SimpleNamespace(absmax=second))
    assert [t.shape for t in tensor.inside(packed)] == [(4,), (2,), (3,)]


@pytest.mark.parametrize("make", ["Linear4bit", "Linear8bitLt"])
def test_what_bitsandbytes_keeps_beside_a_weight_is_the_bases(make):
    layers = pytest.importorskip("bitsandbytes.nn")
    made = getattr(layers, make)(64, 64, bias=False)
    if make == "Linear8bitLt":
        made.state.SCB = torch.ones(64)
    model = torch.nn.Sequential(made.to("cpu"))
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(1))])
    found = tensor.owned(model, tensor.base_of(model), optimizer)["weights_bytes"]
    scales = made.weight.quant_state.absmax if make == "Linear4bit" else made.state.SCB
    assert addresses(made.weight, scales) <= set(found)


def test_a_wrapper_is_the_tensors_that_it_is_made_of():
    class Wrapper(torch.Tensor):
        @staticmethod
        def __new__(cls, data):
            return torch.Tensor._make_wrapper_subclass(cls, data.shape)

        def __init__(self, data):
            self.inner = data

        def __tensor_flatten__(self):
            return ["inner"], None

        @classmethod
        def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
            raise NotImplementedError

    data = torch.ones(4)
    assert addresses(*tensor.inside(Wrapper(data))) == addresses(data)


@pytest.fixture
def alone():
    """A mesh of this process alone, over which tensors can be spread."""
    from torch import distributed
    from torch.distributed.device_mesh import init_device_mesh

    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    distributed.destroy_process_group()


def test_of_what_is_cut_up_over_processes_the_part_here_is_owned(alone):
    from torch.distributed.fsdp import fully_shard

    model = fully_shard(torch.nn.Linear(4, 4, bias=False), mesh=alone)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 4)).sum().backward()
    optimizer.step()
    weight = model.weight
    found = {
        name: set(held)
        for name, held in tensor.owned(model, tensor.base_of(model), optimizer).items()
    }
    assert addresses(weight.to_local()) <= found["weights_bytes"]
    assert found["gradients_bytes"] == addresses(weight.grad.to_local())
    states = [tensor.local(s) for s in optimizer.state[weight].values()]
    assert found["optimizer_bytes"] == addresses(*states)
