from __future__ import annotations

import pytest
import torch
from records import environment
from torch import nn
from transformers import AutoModelForCausalLM

from llmbench.config import composition
from llmbench.errors import CompositionError
from llmbench.record.settings import Settings
from llmbench.worker import architecture, batch, coverage, load, train
from llmbench.worker.cell import prepared
from llmbench.worker.encoding import Tokens
from llmbench_fast.fp8 import Fp8
from llmbench_fast.fp8_linear import NAME, STORED, Fp8Linear, product, rounded
from llmbench_fast.transposing import transposed

BATCH = batch.collate([Tokens(tuple(range(1, 30)), prompt=9), Tokens((1, 2, 3, 4), prompt=1)], 0)
CPU = torch.device("cpu")
SETTINGS = Settings(steps=2)
E4M3_STEP, E5M2_STEP = 2**-4, 2**-3
"""Half the distance between neighbours, relative to the value: 3 and 2 bits of mantissa."""


def apart(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return ((found - wanted).norm() / wanted.norm()).item()


@pytest.mark.parametrize("by_row", [True, False])
@pytest.mark.parametrize(("kind", "step"), [(STORED, E4M3_STEP), (torch.float8_e5m2, E5M2_STEP)])
def test_values_are_rounded_to_their_neighbours_whatever_their_size(by_row, kind, step):
    torch.manual_seed(0)
    values = torch.randn(8, 64) * 1e-6
    values[3] *= 1e4
    eighth, scale = rounded(values, kind, by_row)
    assert eighth.dtype is kind
    assert scale.shape == ((8, 1) if by_row else ())
    large = values.abs() > values.abs().amax() / 1e3
    made = eighth.float() * scale
    assert ((made - values).abs() / values.abs())[large].max() <= step
    assert rounded(torch.zeros(2, 4), kind, by_row)[0].float().abs().max() == 0


@pytest.mark.parametrize("by_row", [True, False])
def test_a_layer_and_its_gradient_are_those_of_the_whole_one_within_fp8(by_row):
    torch.manual_seed(0)
    whole = nn.Linear(64, 32)
    layer = Fp8Linear.of(whole, by_row=by_row, emulated=True)
    given = torch.randn(2, 20, 64, requires_grad=True)
    slope = torch.randn(2, 20, 32) * 1e-7
    found, wanted = layer(given), whole(given)
    assert 1e-3 < apart(found, wanted) < 2 * E4M3_STEP
    [of_found], [of_wanted] = (torch.autograd.grad(o, given, slope) for o in (found, wanted))
    assert 1e-3 < apart(of_found, of_wanted) < 2 * E5M2_STEP


@pytest.mark.parametrize("by_row", [True, False])
def test_the_product_is_the_one_of_torchs_own_operator(by_row):
    left = rounded(torch.randn(32, 64), STORED, by_row)
    right = rounded(torch.randn(48, 64), STORED, by_row=True)
    real = product(left, right, torch.bfloat16, emulated=False)
    assert apart(real.float(), product(left, right, torch.float32, emulated=True)) < 0.01


def random_model(model, *strategies):
    kwargs = load.load_kwargs(SETTINGS, environment("cpu"), strategies)
    kwargs["trust_remote_code"] = False
    quantization = kwargs.get("quantization_config")
    auto = AutoModelForCausalLM
    return load.random_model(auto, model.config, kwargs, quantization, CPU, 0), quantization


def test_a_model_is_loaded_in_fp8_but_for_its_ends_and_lora_learns_beside_it(model):
    strategy = Fp8(emulated=True)
    loaded, quantization = random_model(model, strategy)
    assert loaded.is_quantized
    assert architecture.kind_of(quantization) == NAME
    layers = [m for m in loaded.modules() if isinstance(m, Fp8Linear)]
    assert len(layers) == 7 * len(loaded.model.layers)
    assert loaded.lm_head.weight.dtype is torch.float32
    assert coverage.check_packed(loaded, NAME) is None
    exact, _ = random_model(model)
    before = train.first_loss(loaded, BATCH)
    assert before == pytest.approx(train.first_loss(exact, BATCH), rel=0.01)

    ready = prepared(loaded, composition.read("lora").members, SETTINGS)
    assert train.first_loss(ready, BATCH) == before
    down = ready.get_submodule("base_model.model.model.layers.0.self_attn.q_proj").lora_A.default
    assert len(down.weight.unique()) > 2**8  # not rounded as the weights are
    ready.train()
    train.forward_loss(ready, BATCH).backward()
    assert all(p.grad.isfinite().all() for p in ready.parameters() if p.requires_grad)
    assert coverage.count(ready).packed == sum(m.weight.numel() for m in layers)


def test_it_brings_lora_and_full_fine_tuning_is_refused():
    assert composition.read("fp8").id == "lora+fp8"
    for text in ("full+fp8", "qlora+fp8", "8-bit+fp8"):
        with pytest.raises(CompositionError, match="both decide the quantization"):
            composition.read(text)
    for text in ("dora+fp8", "oft+fp8", "ln-tuning+fp8"):
        with pytest.raises(CompositionError, match="plain LoRA"):
            composition.read(text)
    assert composition.read("lora-plus+fp8").id
    with pytest.raises(CompositionError, match="cannot be cut up"):
        composition.read("lora+fp8+fsdp")


def test_it_runs_where_matrix_units_take_it():
    bf16 = Settings(precision="bf16-stochastic")
    ada = environment("cuda").model_copy(update={"compute_capability": (8, 9)})
    assert Fp8().skip(bf16, ada) is None
    ampere = ada.model_copy(update={"compute_capability": (8, 6)})
    assert "8.9" in Fp8().skip(bf16, ampere)
    assert "emulated=true" in Fp8().skip(SETTINGS, environment("cpu"))
    assert Fp8(emulated=True).skip(SETTINGS, environment("cpu")) is None
    assert "bf16" in Fp8().skip(SETTINGS, ada)
    assert "autocast" in Fp8(emulated=True).skip(Settings(precision="bf16-mixed"), ada)


def test_a_matrix_is_transposed():
    torch.manual_seed(0)
    matrix = torch.randn(48, 96).to(STORED)
    given = (matrix, torch.ones(1))
    assert transposed(*given).is_contiguous()
    assert (transposed(*given).float() == matrix.float().t()).all()
    torch.library.opcheck(transposed, (matrix.view(torch.int8), torch.ones(1)))
