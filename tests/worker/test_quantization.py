"""Quantised bases train as they should, also after they were evaluated."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from llmbench.record.settings import Settings
from llmbench.worker import cell, checkpoint
from llmbench_strategies.four_bit import FourBit
from llmbench_strategies.lora import Lora
from llmbench_strategies.qlora import Qlora
from llmbench_strategies.quantization import four_bits

CONFIG = LlamaConfig(
    vocab_size=128,
    hidden_size=64,
    intermediate_size=128,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=4,
)
IDS = torch.arange(24).reshape(2, 12)
SETTINGS = Settings()


def quantised(double: bool) -> LlamaForCausalLM:
    torch.manual_seed(0)
    weights = LlamaForCausalLM(CONFIG).state_dict()
    return LlamaForCausalLM.from_pretrained(
        None, config=CONFIG, state_dict=weights, **four_bits(SETTINGS, double)
    )


def gradients(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    model.train()
    model(input_ids=IDS, labels=IDS).loss.backward()
    return {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("kind", ["4-bit", "qlora"])
def test_gradients_are_the_same_whether_or_not_the_model_was_evaluated_before(kind: str) -> None:
    def prepared() -> torch.nn.Module:
        model = quantised(double=kind == "qlora")
        torch.manual_seed(1)
        checkpoint.mend_packed(model)
        strategies = (Qlora(),) if kind == "qlora" else (FourBit(), Lora())
        return cell.prepared(model, strategies, SETTINGS)

    fresh, evaluated = prepared(), prepared()
    evaluated.eval()
    with torch.no_grad():
        evaluated(input_ids=IDS)
    expected, found = gradients(fresh), gradients(evaluated)
    assert expected.keys() == found.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient)
    assert any(g.abs().sum() > 0 for g in expected.values())
