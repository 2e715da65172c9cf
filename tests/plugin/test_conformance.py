"""A sample of docs/conformance.md: strategies on families whose layers differ."""

from __future__ import annotations

import pytest

import make_compatibility
import make_conformance
import tiny_families
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
