"""Weights in few bits by torchao and hqq, rounded ones that train, and their kin."""

from __future__ import annotations

import copy
from importlib.util import find_spec

import pytest
import torch
from records import environment

import make_conformance
from llmbench.config import composition
from llmbench.plugin.strategy import CannotRun
from llmbench.record.settings import Settings
from llmbench_quantization import missing
from llmbench_quantization.qat import Qat

HERE = environment("cpu")
IDS = torch.arange(4, 36)[None]
needs_torchao = pytest.mark.skipif(find_spec("torchao") is None, reason="torchao is not installed")
needs_hqq = pytest.mark.skipif(find_spec("hqq") is None, reason="hqq is not installed")


@pytest.fixture(scope="module")
def bench():
    """A comparison on the model that ships."""
    from llmbench import plugin

    return make_conformance.Bench.at(plugin.registry().models.get("llmbench-tiny").folder)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("torchao", marks=needs_torchao),
        pytest.param("hqq", marks=needs_hqq),
        pytest.param("hqq(bits=2,group_size=32)", marks=needs_hqq),
        "4-bit(numbers=fp4)",
        "8-bit(threshold=0)",
    ],
)
def test_adapters_train_on_a_base_in_few_bits(bench, text):
    record = make_conformance.record(bench.setup, bench.inputs, text)
    assert (record.status, record.warnings) == ("ok", ()), record.reason
    assert record.quantized
    assert record.parameters.packed == record.parameters.adapted > 0
    assert record.parameters.total == bench.base.parameters.total + record.parameters.trainable
    assert record.first_loss == pytest.approx(record.start.loaded)
    assert record.first_loss == pytest.approx(bench.base.first_loss, rel=0.3)
    assert record.moved.share


@pytest.mark.parametrize(
    ("name", "package"), [("torchao", "torchao"), ("qat", "torchao"), ("hqq", "hqq")]
)
def test_what_is_not_installed_is_named_before_anything_loads(monkeypatch, name, package):
    monkeypatch.setattr(missing, "find_spec", lambda wanted: None)
    skip = composition.read(name).skip(Settings(), HERE)
    assert skip == f"{name} needs the package {package}: pip install {package}."


def test_four_bits_of_torchao_take_no_adapter_and_a_way_out_is_named():
    skip = composition.read("torchao(bits=4)").skip(Settings(), HERE)
    assert "take 4-bit or hqq to train adapters, or qat to train for 4 bits." in skip


@pytest.fixture
def rounded(pristine_model):
    """The tiny model as `qat` prepares it."""
    pytest.importorskip("torchao")
    return lambda **options: Qat(**options).prepare(copy.deepcopy(pristine_model), Settings())


def test_what_qat_trains_computes_packed_what_it_computed_rounded(rounded, tmp_path):
    from torchao.quantization import IntxWeightOnlyConfig, quantize_
    from torchao.quantization.granularity import PerGroup
    from transformers import AutoModelForCausalLM

    model = rounded(bits=4, group_size=32).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.01 * torch.randn_like(weight))
    model.save_pretrained(tmp_path)
    whole = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    packed = copy.deepcopy(whole)
    head = packed.get_output_embeddings()
    quantize_(
        packed,
        IntxWeightOnlyConfig(weight_dtype=torch.int4, granularity=PerGroup(32)),
        filter_fn=lambda module, name: type(module) is torch.nn.Linear and module is not head,
    )
    with torch.no_grad():
        expected, found, unrounded = (m(input_ids=IDS).logits for m in (model, packed, whole))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert (unrounded - expected).abs().max() > 0.01


def test_qat_trains_every_weight_as_if_it_were_not_rounded(rounded):
    model = rounded(bits=2)
    model(input_ids=IDS, labels=IDS).loss.backward()
    assert all(p.requires_grad and p.grad is not None and p.grad.any() for p in model.parameters())


def test_groups_that_do_not_divide_the_layers_are_refused_with_one_that_does(rounded):
    with pytest.raises(CannotRun, match=r"take qat\(group_size=\d+\), or one that divides"):
        rounded(group_size=7)
