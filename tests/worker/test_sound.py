"""A model whose loss, or whose sight, is not a language model's is refused before it is trained."""

from __future__ import annotations

import pytest
import torch
from transformers import BertConfig, BertLMHeadModel

import tiny_families
from llmbench.plugin.strategy import CannotRun
from llmbench.worker import architecture, sound

BY_NAME = {family.name: family for family in tiny_families.FAMILIES}


@pytest.mark.parametrize(
    "name", ["BERT", "RoBERTa", "ELECTRA", "DistilBERT", "ModernBERT", "XLNet"]
)
def test_an_encoder_is_refused_with_the_reason(name):
    config = BY_NAME[name].made()
    with pytest.raises(CannotRun, match=f"'mine' is an encoder .{config.model_type}., which sees"):
        architecture.class_of(config, "mine")


@pytest.mark.parametrize("name", ["LLaVA", "Qwen 2 VL"])
def test_a_model_that_sees_images_is_refused_with_a_way_out(name):
    with pytest.raises(CannotRun, match="made to see images: save its language model"):
        architecture.class_of(BY_NAME[name].made(), "mine")


@pytest.mark.parametrize("family", tiny_families.PAIRS, ids=lambda family: family.name)
def test_an_encoder_decoder_is_loaded_by_its_own_class(family):
    auto = architecture.class_of(family.made(), "mine")
    assert auto.__name__ == "AutoModelForSeq2SeqLM"


def test_bert_made_to_be_a_decoder_is_a_language_model():
    config = BertConfig(**{**tiny_families.ENCODER, "is_decoder": True})
    assert architecture.class_of(config, "mine").__name__ == "AutoModelForCausalLM"
    sound.check(BertLMHeadModel(config))


def test_what_sees_the_tokens_that_come_after_is_found_by_trying():
    torch.manual_seed(0)
    config = BertConfig(**tiny_families.ENCODER, initializer_range=0.3)
    with pytest.raises(CannotRun, match="sees the tokens that come after the one that it predicts"):
        sound.check(BertLMHeadModel(config))


def test_a_loss_that_is_not_the_cross_entropy_is_found_by_trying(model):
    def unshifted(**inputs):
        output = forward(**inputs)
        ids = inputs["input_ids"][0]
        output.loss = torch.nn.functional.cross_entropy(output.logits[0], ids)
        return output

    forward, model.forward = model.forward, unshifted
    with pytest.raises(CannotRun, match=r"The loss that this model computes is \d\.\d+ where"):
        sound.check(model)


def test_a_sound_model_passes(model):
    sound.check(model)


def test_the_loss_that_balances_experts_is_left_out_and_told():
    config = BY_NAME["Mixtral"].made()
    config.output_router_logits, config.router_aux_loss_coef = True, 1.0
    torch.manual_seed(0)
    model = tiny_families.model_class(config)(config)
    with pytest.raises(CannotRun, match="The loss that this model computes"):
        sound.check(model)
    said = architecture.neutralize(model)
    assert said == (
        "The loss is the cross entropy alone: that which balances the load of the experts "
        "(output_router_logits) is left out.",
    )
    sound.check(model)
