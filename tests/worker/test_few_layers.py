"""What many layers take, as few of them tell, against all of them being run."""

from __future__ import annotations

import gc
import json
from collections import Counter

import pytest
from records import cell, environment
from transformers import LlamaConfig

from llmbench import plugin
from llmbench.config import composition
from llmbench.config.plan import member
from llmbench.record.record import ModelRef
from llmbench.record.settings import Settings
from llmbench.worker.cell import strategies
from llmbench.worker.estimate import layers
from llmbench.worker.estimate.layers import Event, Trace
from llmbench.worker.estimate.simulation import Simulation

LAYERS = 8
UNLIKE = ("last-layers",)
"""Strategies that treat layers unlike."""
UNPREDICTED = (
    *("compile", "activation-budget", "fp8", "fused-lora", "packing", "qat"),
    *("cuda-graphs", "cudnn-attention"),
)
NEEDY = {
    "precision": "precision(to=fp32)",
    "learning-rate": "learning-rate(to=1e-3)",
    "peft": "peft(method=hra,r=4)",
}


@pytest.fixture(scope="module", autouse=True)
def frozen():
    import bitsandbytes
    import peft

    gc.freeze()
    yield bitsandbytes, peft
    gc.unfreeze()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A Llama of eight layers, without weights."""
    made = tmp_path_factory.mktemp("deep")
    sizes = {"hidden_size": 64, "intermediate_size": 128, "vocab_size": 320}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": LAYERS}
    config = LlamaConfig(**sizes, **heads).to_dict() | {"architectures": ["LlamaForCausalLM"]}
    (made / "config.json").write_text(json.dumps(config))
    return made


def simulated(folder, text, whole, **values):
    asked = composition.read(text)
    wanted = asked.adjust(Settings(batch_size=2, seq_len=32, **values), environment("cuda"))
    made = cell("lora").model_copy(
        update={
            "composition": asked.id,
            "members": tuple(member(m) for m in asked.members),
            "settings": wanted,
            "model": ModelRef(id=str(folder), weights="random"),
            "trains": asked.trains,
        }
    )
    known = Simulation(made, strategies(made), environment("cuda"), str(folder), whole=whole)
    return known.peak(wanted), known


def compositions():
    known = plugin.registry().strategies
    alone = [
        n for n in known.items() if n not in (*UNLIKE, *UNPREDICTED) and not known.get(n).spreads
    ]
    return [NEEDY.get(n, n) for n in alone]


def test_few_layers_tell_what_all_of_them_take(folder, registry):
    told, unsupported = [], []
    for text in [*compositions(), "lora+gradient-checkpointing", "lora+4-bit", "lora+8-bit"]:
        try:
            every, run = simulated(folder, text, whole=True)
        except Exception:
            unsupported.append(text)  # it does not run on tensors without values, or here
            continue
        few, follows = simulated(folder, text, whole=False)
        assert few.total_bytes == pytest.approx(every.total_bytes, rel=1e-3), text
        assert follows.floor_bytes == pytest.approx(run.floor_bytes, rel=1e-3), text
        if follows._stack is not None:
            told.append(text)
    assert len(unsupported) < 8, unsupported
    assert len(told) > 20, told


def test_layers_that_a_strategy_treats_unlike_are_all_run(folder):
    few, follows = simulated(folder, "last-layers(n=4)", whole=False)
    assert follows._stack is None
    assert few == simulated(folder, "last-layers(n=4)", whole=True)[0]


def test_a_peak_of_other_sizes_follows_from_the_same_simulation(folder):
    _, follows = simulated(folder, "lora", whole=False)
    _, run = simulated(folder, "lora", whole=True)
    for values in ({"batch_size": 3}, {"seq_len": 200}, {"accumulation": 2}):
        wanted = follows.cell.settings.model_copy(update=values)
        found, known = (s.peak(wanted).total_bytes for s in (follows, run))
        assert found == pytest.approx(known, rel=1e-3)


def events(*sizes):
    return [Event(1000 * size, "activations") for size in sizes]


def test_a_block_that_comes_once_more_is_found_wherever_it_starts():
    assert layers.insertions(events(9, 1, 2, 1, 2, 8), events(9, 1, 2, 1, 2, 1, 2, 8)) == [(7, 2)]
    assert layers.insertions(events(1, 2, 1, 2, 1, 8), events(1, 2, 1, 2, 1, 2, 1, 8)) == [(7, 2)]


@pytest.mark.parametrize(
    "more", [(9, 1, 1, 3, 8), (9, 1, 1, 1, 7), (9, 1, 1), (9, 1, 1, 8, 8, 8, 3)]
)
def test_what_is_more_than_a_block_once_more_tells_nothing(more):
    fewer = Trace(Counter(weights=1000), events(9, 1, 1, 8))
    assert layers.extended(fewer, Trace(Counter(weights=1500), events(*more)), 12) is None


def test_the_peak_is_where_most_is_held_of_what_follows():
    head = (3, 4, 6, 7, -3, -4, -6, -7)
    fewer = Trace(Counter(weights=3000), events(5, *[2] * 3, *head, *[-2] * 3, -5, 9))
    more = Trace(Counter(weights=4000), events(5, *[2] * 4, *head, *[-2] * 4, -5, 9))
    assert layers.extended(fewer, more, 4) == Counter(weights=4000, activations=33000)
    assert layers.extended(fewer, more, 10) == Counter(weights=10000, activations=45000)
