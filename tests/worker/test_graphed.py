from __future__ import annotations

import pytest
import torch
from transformers import GPTNeoConfig, GPTNeoForCausalLM

from llmbench.config import composition
from llmbench.record.settings import Settings
from llmbench.worker import scoring
from llmbench.worker.cell import prepared
from llmbench.worker.graphed import CannotGraph, Decoder, static_cache

PAD = 0
PROMPTS = [[5, 6, 7, 8, 9, 10, 11], [12, 13], [14], [15, 16, 17, 18], [19, 20, 21]]


def generate(model, decoding, fixed=False, **values):
    ends = None if fixed else (model.generation_config.eos_token_id,)
    wanted = Settings(max_new_tokens=12, eval_batch_size=2, decoding=decoding, **values)
    return scoring.continued(model, PROMPTS, wanted, PAD, ends, lambda done: None)


@pytest.fixture
def eager_to_end(model):
    """A model that sometimes ends its text early: the end is made likely, not certain."""
    end = model.generation_config.eos_token_id
    with torch.no_grad():
        model.lm_head.weight[end] += 0.6 * model.lm_head.weight[1:60].abs().mean(0)
    return model


@pytest.mark.parametrize("text", ["full", "lora"])
def test_predictions_and_their_counts_are_those_of_the_ordinary_way(eager_to_end, text):
    strategies = composition.read(text).members
    model = prepared(eager_to_end, strategies, Settings())
    one, other = (generate(model, way) for way in ("eager", "graphs"))
    assert other.ids == one.ids
    assert [(b.new_tokens, b.decoded_tokens) for b in other.generation.batches] == [
        (b.new_tokens, b.decoded_tokens) for b in one.generation.batches
    ]
    assert other.decoding == "a cache of fixed size"
    assert one.decoding == "a cache that grows"


def test_eager_attention_sees_no_more_than_in_the_ordinary_way(model):
    model.set_attn_implementation("eager")
    found = generate(model, "graphs", fixed=True)
    assert found.decoding == "a cache of fixed size"
    assert found.ids == generate(model, "eager", fixed=True).ids


def test_without_an_end_every_prediction_has_all_its_tokens(model):
    found = generate(model, "graphs", fixed=True)
    assert [len(ids) for ids in found.ids] == [12] * 5
    assert found.ids == generate(model, "eager", fixed=True).ids


def test_what_cannot_be_decoded_so_is_decoded_as_ever_and_says_why(model):
    prompted = prepared(model, composition.read("prompt-tuning").members, Settings())
    found = generate(prompted, "graphs")
    assert found.decoding == "a cache that grows (something is put before its prompts)"
    assert found.ids == generate(prompted, "eager").ids


def test_a_model_of_another_attention_is_not_decoded_so(model):
    model.config._attn_implementation = "flash_attention_2"
    with pytest.raises(CannotGraph, match="takes no mask"):
        static_cache(model, 8)


def test_a_model_that_counts_keys_which_are_not_written_yet_is_not_decoded_so():
    torch.manual_seed(0)
    config = GPTNeoConfig(
        vocab_size=64,
        hidden_size=16,
        num_layers=2,
        num_heads=2,
        window_size=4,
        attention_types=[[["global", "local"], 1]],
        eos_token_id=63,
    )
    model = GPTNeoForCausalLM(config).eval()
    for weight in model.parameters():
        weight.data *= 4
    found = generate(model, "graphs", fixed=True)
    assert found.ids == generate(model, "eager", fixed=True).ids
    assert found.decoding == "a cache that grows (its code is not made for such a cache)"


def test_rows_that_are_missing_in_the_last_batch_make_nothing(model):
    with torch.no_grad():
        decoder = Decoder(model.eval(), 4, 3, 2, PAD, ())
        ids = torch.tensor([[5, 6, 7]])
        assert decoder.continued(ids, torch.ones_like(ids)).shape == (1, 2)
