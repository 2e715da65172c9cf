"""A sample of docs/conformance.md: strategies on families whose layers differ."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM

import make_compatibility
import make_conformance
import tiny_families
from llmbench.record.settings import Settings
from llmbench_strategies.lora import Lora
from make_compatibility import Trial

BY_NAME = {family.name: family for family in tiny_families.FAMILIES}


@pytest.fixture(scope="module")
def benches(tmp_path_factory):
    """Makes a family's model, and a comparison on it, once for all of its tests."""
    made = {}

    def bench(family):
        if family not in made:
            folder = tmp_path_factory.mktemp("families") / family / make_compatibility.NAME
            tiny_families.save(BY_NAME[family], folder)
            made[family] = make_conformance.Bench.at(folder)
        return made[family]

    return bench


@pytest.fixture
def tried(benches):
    """Checks a strategy on a family."""
    offers = {offer.id: offer for offer in make_conformance.offers()}

    def run(family, strategy):
        composed = strategy == "lora"
        return make_conformance.trial(benches(family).findings(offers[strategy], composed))

    return run


@pytest.mark.parametrize(
    ("family", "strategy"),
    [
        ("Llama", "lora-fa"),
        ("Llama", "learning-rate"),
        ("Phi 3", "pissa"),
        ("GPT-2", "lora"),
        ("GPT-2", "bitfit"),
        ("GPT-2", "last-layers"),
        ("GPT-2", "prefix-tuning"),
        ("Mamba", "adalora"),
        ("Mamba", "pissa"),
        ("FLAN-T5", "prompt-tuning"),
        ("FLAN-T5", "qlora"),
    ],
)
def test_it_passes_the_suite(tried, family, strategy):
    assert tried(family, strategy) == Trial("passes")


@pytest.mark.parametrize(
    ("family", "strategy", "reason"),
    [
        ("Phi 3", "bitfit", "The model has no biases to train."),
        ("GPT-2", "oft", "Target module Conv1D(nf=192, nx=64) is not supported"),
        ("Mixtral", "dora", "name modules that it can go on, as in dora(targets=q_proj|v_proj)."),
        ("Mixtral", "pissa", "name modules that it can go on, as in pissa(targets=q_proj|v_proj)."),
        ("BLOOM", "prompt-tuning", "whose attention goes by the distance of tokens"),
        ("Mamba", "compile", "go from token to token in Python on a processor"),
        ("Mamba", "prefix-tuning", "Layers of models of the kind 'mamba' keep a state"),
        ("Llama", "fsdp", "It trains on several GPUs: say how many with --gpus."),
        ("Llama", "paged-adamw-8bit", "needs a GPU: on a CPU there is nothing to page."),
    ],
)
def test_it_is_skipped_with_the_reason(tried, family, strategy, reason):
    found = tried(family, strategy)
    assert found.status == "skipped"
    assert reason in found.said[0]


def test_ia3_names_a_way_out_where_peft_does_not_know_the_model(tried):
    [said] = tried("Phi 3", "ia3").said
    assert "'phi3'" in said
    assert "peft(method=ia3,target_modules=k_proj|v_proj|down_proj" in said


@pytest.mark.parametrize("family", ["Mamba", "Jamba"])
def test_no_adapter_stands_where_the_model_reads_the_weights_past_it(tmp_path, family):
    tiny_families.save(BY_NAME[family], tmp_path)
    base = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    model = Lora().prepare(base, Settings())
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    ids = torch.arange(4, 36)[None]
    model(input_ids=ids, labels=ids).loss.backward()
    trained = {
        name: weight.grad for name, weight in model.named_parameters() if weight.requires_grad
    }
    assert [name for name, grad in trained.items() if grad is None or not grad.any()] == []
