"""What is refused before anything is loaded, by what a model's folder says of itself."""

from __future__ import annotations

import json

import pytest
from hub import WEIGHTS

from llmbench.errors import ModelError
from llmbench.source import kind
from llmbench.source import model as source


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "my-model"
    path.mkdir()
    (path / "model.safetensors").write_bytes(WEIGHTS)
    (path / "tokenizer.json").write_text("{}")
    return path


def configure(folder, **content):
    (folder / "config.json").write_text(json.dumps(content))


def find(folder):
    return source.find(str(folder), "pretrained", None)


@pytest.mark.parametrize(
    "head",
    ["BertForMaskedLM", "ElectraForPreTraining", "LlamaForSequenceClassification", "XForCTC"],
)
def test_a_head_that_does_not_say_the_next_token_is_refused_by_name(folder, registry, head):
    configure(folder, architectures=[head])
    with pytest.raises(ModelError, match=f"'my-model' is a {head}, whose head does not say"):
        find(folder)


@pytest.mark.parametrize(
    "heads", [None, [], ["LlamaForCausalLM"], ["T5ForConditionalGeneration"], ["GPT2LMHeadModel"]]
)
def test_a_language_model_is_found(folder, registry, heads):
    configure(folder, architectures=heads)
    assert find(folder).id == "my-model"


@pytest.mark.parametrize("method", ["gptq", "awq", "mxfp4", "fp8"])
def test_weights_in_a_format_that_is_only_for_use_are_refused(folder, registry, method):
    configure(folder, quantization_config={"quant_method": method})
    with pytest.raises(ModelError, match=rf"stored quantised \({method}\).*take the model as it"):
        find(folder)


def test_weights_that_bitsandbytes_packed_are_found(folder, registry):
    configure(folder, quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True})
    assert find(folder).folder == folder


def test_an_adapter_is_named_as_one_though_it_has_no_configuration_of_a_model(folder, registry):
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "org/base"}')
    with pytest.raises(ModelError, match="'my-model' holds an adapter of 'org/base': merge it"):
        find(folder)


def test_gguf_is_named_as_what_it_is(folder, registry):
    (folder / "model.safetensors").rename(folder / "model.gguf")
    with pytest.raises(ModelError, match="GGUF, which are made for use and not for training"):
        find(folder)


def test_a_folder_without_a_tokenizer_is_refused_once_where_there_is_text(folder, registry):
    configure(folder, architectures=["LlamaForCausalLM"])
    (folder / "tokenizer.json").unlink()
    found = find(folder)
    assert source.fetch(found, needs_tokenizer=False) == found
    with pytest.raises(ModelError, match="'my-model' has no tokenizer: copy that of the model"):
        source.fetch(found, needs_tokenizer=True)


def test_a_tokenizer_that_reads_bytes_needs_no_vocabulary(folder):
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "ByT5Tokenizer"}')
    kind.check_tokenizer(folder, "my-model")
