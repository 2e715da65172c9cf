from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from transformers import LlamaConfig, RwkvConfig, RwkvForCausalLM

from llmbench.config import composition
from llmbench.record.settings import Settings
from llmbench.worker import batch, decoding, scoring, train
from llmbench.worker.cell import prepared
from llmbench.worker.encoding import Tokens
from llmbench.worker.scoring import padded, until_end

PAD = 0
PROMPTS = [[5, 6, 7, 8, 9, 10, 11], [12, 13], [14], [15, 16, 17, 18], [19, 20, 21]]


def generate(model, prompts, ends=(), on_batch=lambda done: None, **values):
    wanted = Settings(**{"max_new_tokens": 12, "eval_batch_size": 2, **values})
    own = None if ends is None else (*ends, model.generation_config.eos_token_id)
    return scoring.continued(model, prompts, wanted, PAD, own, on_batch)


@pytest.fixture
def eager_to_end(model):
    """A model that sometimes ends its text early: the end is made likely, not certain."""
    end = model.generation_config.eos_token_id
    with torch.no_grad():
        model.lm_head.weight[end] += 0.6 * model.lm_head.weight[1:60].abs().mean(0)
    return model


def test_prompts_are_padded_on_the_left():
    ids, mask = padded([[1, 2, 3], [4]], PAD)
    assert ids.tolist() == [[1, 2, 3], [0, 0, 4]]
    assert mask.tolist() == [[1, 1, 1], [0, 0, 1]]


@pytest.mark.parametrize(
    ("ends", "kept"),
    [
        ([7], (5, 7)),
        ([8, 7], (5, 7)),
        ([9], (5, 7, 6, 7, 0, 0)),
        ([], (5, 7, 6, 7, 0, 0)),
    ],
)
def test_a_prediction_goes_up_to_and_with_the_first_end(ends, kept):
    assert until_end([5, 7, 6, 7, 0, 0], ends) == kept


def test_an_end_token_of_zero_is_an_end():
    assert until_end([5, 0, 6], [0]) == (5, 0)


def test_a_batch_continues_each_prompt_as_it_would_alone(eager_to_end):
    together = generate(eager_to_end, PROMPTS)
    alone = [generate(eager_to_end, [p]).ids[0] for p in PROMPTS]
    assert list(together.ids) == alone


def test_a_model_that_would_read_padding_as_text_continues_one_prompt_at_a_time():
    torch.manual_seed(0)
    sizes = {"vocab_size": 64, "hidden_size": 16, "num_hidden_layers": 2, "context_length": 64}
    model = RwkvForCausalLM(RwkvConfig(**sizes, eos_token_id=63)).eval()
    for weight in model.parameters():
        weight.data *= 4
    together = generate(model, PROMPTS)
    assert list(together.ids) == [generate(model, [p]).ids[0] for p in PROMPTS]
    assert together.decoding == "a cache that grows, prompts one at a time"


def test_generation_is_greedy_and_stops_at_the_end(eager_to_end):
    end = eager_to_end.generation_config.eos_token_id
    for prompt, found in zip(PROMPTS, generate(eager_to_end, PROMPTS).ids, strict=True):
        ids = list(prompt)
        for token in found:
            logits = eager_to_end(input_ids=torch.tensor([ids])).logits[0, -1]
            assert token == int(logits.argmax())
            ids.append(token)
        assert len(found) == 12 or found[-1] == end
        assert end not in found[:-1]


def test_the_token_that_was_trained_on_ends_a_text_whatever_the_model_came_with(model):
    whole = generate(model, PROMPTS).ids
    end = whole[0][2]
    assert generate(model, PROMPTS, ends=[end]).ids[0] == whole[0][: whole[0].index(end) + 1]


def test_with_a_fixed_length_every_prediction_is_as_long_as_asked(eager_to_end):
    with torch.no_grad():
        eager_to_end.lm_head.weight[eager_to_end.generation_config.eos_token_id] *= 50
    found = generate(eager_to_end, PROMPTS, ends=None)
    assert [len(ids) for ids in found.ids] == [12] * 5
    assert found.generation.new_tokens == 60


def test_new_tokens_are_those_of_the_predictions(eager_to_end):
    found = generate(eager_to_end, PROMPTS)
    assert found.generation.new_tokens == sum(map(len, found.ids))
    assert len(found.generation.batches) == 3
    assert found.generation.decoded_tokens >= found.generation.new_tokens
    assert all(b.seconds > 0 for b in found.generation.batches)


def test_progress_is_told_after_every_batch(model):
    done = []
    generate(model, PROMPTS, on_batch=done.append)
    assert done == [2, 4, 5]


def test_the_reference_loss_is_the_mean_over_all_supervised_tokens(model):
    sequences = [Tokens(tuple(range(1, 6 + n)), prompt=2 + n % 3) for n in range(7)]
    losses, counts = [], []
    for sequence in sequences:
        one = batch.collate([sequence], PAD)
        losses.append(train.first_loss(model, one) * one.supervised_tokens)
        counts.append(one.supervised_tokens)
    found = scoring.reference_loss(model, sequences, 24, PAD)
    assert found == pytest.approx(sum(losses) / sum(counts), rel=1e-5)
    each = scoring.reference_losses(model, sequences, 24, PAD)
    assert [count for _, count in each] == counts
    assert [nats * count for nats, count in each] == pytest.approx(losses, rel=1e-5)


@pytest.mark.parametrize(
    ("asked", "device", "memory", "found"),
    [
        (8, "cuda", 80, 8),
        (0, "cpu", 80, 32),
        (0, "cuda", 80, 128),  # 46,080 bytes a token, 600 tokens: 27.6 MB a prompt
        (0, "cuda", 16, 62),
        (0, "cuda", 4, 32),
    ],
)
def test_as_many_prompts_are_continued_together_as_suit_model_and_gpu(
    monkeypatch, asked, device, memory, found
):
    config = LlamaConfig(
        num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3, hidden_size=576
    )
    gpu = SimpleNamespace(total_memory=memory * 2**30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: gpu)
    settings = Settings(eval_batch_size=asked)
    model = SimpleNamespace(config=config)
    assert decoding.at_a_time(model, settings, 600, torch.device(device)) == found


def test_losses_are_taken_on_as_many_sequences_as_their_tokens_leave_room_for(model, monkeypatch):
    shapes, whole = [], scoring.collate
    monkeypatch.setattr(scoring, "collate", lambda g, pad: shapes.append(len(g)) or whole(g, pad))
    sequences = [Tokens(tuple(range(1, 2 + n)), prompt=1) for n in (1, 2, 3, 7, 9, 15)]
    scoring.reference_loss(model, sequences, 16, PAD)
    assert shapes == [1, 1, 2, 2]  # of 16, 10, 8 and 3 tokens at most
    shapes.clear()
    scoring.reference_losses(model, sequences, 16, PAD)
    assert shapes == [1, 1, 2, 2]


def test_batches_are_halved_where_memory_runs_out_and_nothing_is_left_out():
    tried = []

    def run(group):
        tried.append(len(group))
        if len(group) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return sum(group)

    made = list(scoring.batched(range(5), lambda rest: 4, run))
    assert [list(group) for group, _ in made] == [[0, 1], [2, 3], [4]]
    assert [total for _, total in made] == [1, 5, 4]
    assert tried == [4, 2, 2, 1]


def test_one_that_is_too_large_by_itself_and_any_other_error_end_it():
    def run(group):
        raise error

    for error in (torch.OutOfMemoryError("CUDA out of memory."), ValueError("no")):
        with pytest.raises(type(error)):
            list(scoring.batched([1], lambda rest: 4, run))


def test_prompts_that_are_trained_predict_nothing_of_a_reference(model):
    sequences = [Tokens((5, 6, 7, 8), prompt=2), Tokens((9, 10, 11), prompt=1)]
    prompted = prepared(model, composition.read("prompt-tuning").members, Settings())
    each = scoring.reference_losses(prompted, sequences, 8, PAD)
    alone = [train.first_loss(prompted, batch.collate([s], PAD)) for s in sequences]
    assert [nats for nats, _ in each] == pytest.approx(alone, rel=1e-5)


def test_evaluating_leaves_no_gradient_and_dropout_off(model):
    model.train()
    scoring.reference_loss(model, [Tokens((1, 2, 3), prompt=1)], 2, PAD)
    generate(model, PROMPTS[:1])
    assert not model.training
    assert all(p.grad is None for p in model.parameters())
