"""A sample of docs/compatibility.md: families that once went wrong, each with what is right now."""

from __future__ import annotations

import pytest
from transformers import AutoTokenizer

import make_compatibility
import tiny_families
import tiny_tokenizers

BY_NAME = {family.name: family for family in tiny_families.FAMILIES}
KINDS = {kind.name: kind for kind in tiny_tokenizers.KINDS}


@pytest.fixture
def folder(tmp_path, registry):
    """Where the model lies that a test makes."""
    return tmp_path / make_compatibility.NAME


@pytest.fixture
def tried(folder):
    """Makes a family's model, and runs a cell of a composition on it."""

    def run(family, composition):
        tiny_families.save(BY_NAME[family], folder)
        return make_compatibility.tried(folder, composition)

    return run


@pytest.mark.parametrize(
    ("family", "composition"),
    [
        ("FLAN-T5", "full"),
        ("BART", "lora+8-bit"),
        ("mT5", "lora+4-bit"),
        ("Marian", "lora"),
        ("DeepSeek V2", "lora+8-bit"),
        ("Mamba", "lora"),
        ("Gemma 3, multimodal", "full"),
    ],
)
def test_it_trains_and_generates(tried, family, composition):
    assert tried(family, composition).status == "ok"


@pytest.mark.parametrize(
    ("family", "composition", "reason"),
    [
        ("Gemma 2", "full+flash-attention", "Gemma2ForCausalLM has no attention that such"),
        ("BLOOM", "full+flash-attention", "BloomForCausalLM has no attention that such"),
        ("Mamba", "full+flash-attention", "MambaForCausalLM has no attention that such"),
        ("CTRL", "full+gradient-checkpointing", "cannot checkpoint models of the kind 'ctrl'"),
        ("Falcon", "lora+4-bit", "Nothing of this model can be packed in NF4"),
        ("Mamba", "lora+8-bit", "cannot run with its weights in few bits"),
    ],
)
def test_it_is_skipped_with_the_reason(tried, family, composition, reason):
    found = tried(family, composition)
    assert found.status == "skipped"
    assert reason in found.said[0]


def test_how_much_of_a_mixture_of_experts_is_packed_is_counted_and_named(tried):
    found = tried("Mixtral", "lora+4-bit")
    assert found.status == "ok"
    assert found.said[0].startswith("11 % of the weights of its layers are in NF4")
    assert "experts.gate_up_proj" in found.said[0]


def test_layers_without_an_adapter_are_named(tried):
    said = tried("gpt-oss", "lora").said
    assert said[-1].startswith("Adapters stand beside 11 % of the weights of its layers")


def test_an_encoder_is_refused_before_anything_is_loaded(tried):
    found = tried("BERT", "lora")
    assert found.status == "refused"
    assert "is a BertForMaskedLM, whose head does not say which token comes next" in found.said[0]


def test_special_tokens_that_no_text_becomes_may_lie_beyond_the_embeddings(folder):
    tiny_families.save(BY_NAME["Llama"], folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["<image>"], special_tokens=True)
    tokenizer.save_pretrained(folder)
    assert make_compatibility.tried(folder, "lora") == make_compatibility.Trial("ok")


@pytest.mark.parametrize("family", ["Qwen 3 MoE", "DeepSeek V3", "Gemma 3, multimodal"])
def test_memory_is_predicted(folder, family):
    tiny_families.save(BY_NAME[family], folder)
    assert make_compatibility.estimated(folder) == make_compatibility.Trial("ok")


def test_memory_of_an_encoder_decoder_is_not_predicted_and_it_is_said(folder):
    tiny_families.save(BY_NAME["FLAN-T5"], folder)
    found = make_compatibility.estimated(folder)
    assert found.status != "ok"
    assert "encoder-decoder models is not predicted" in found.said[0]


@pytest.mark.parametrize(
    ("kind", "status", "said"),
    [
        ("puts the end after every text", "ok", None),
        ("no end token, where the model has one", "ok", "it is the model's, '</s>'"),
        ("no end token, nor has the model", "ok", "predictions go on to --max-new-tokens"),
        ("padding beyond the embeddings", "ok", None),
        ("more tokens than embeddings", "skipped", "has tokens up to 1,536 ('<extra>')"),
        ("written in Python, reads bytes", "ok", None),
        ("stop_strings asked for", "ok", "stop_strings=['Summary']"),
        ("missing", "refused", "has no tokenizer: copy that of the model"),
        ("broken", "refused", "has a tokenizer.json that cannot be read"),
    ],
)
def test_a_tokenizer_is_right_or_a_sentence_says_what_is_wrong(folder, kind, status, said):
    tiny_families.save(BY_NAME["Llama"], folder)
    KINDS[kind].spoil(folder)
    found = make_compatibility.tried(folder, "lora")
    assert found.status == status
    assert said is None or any(said in sentence for sentence in found.said)
