"""Steps that a strategy records: called once for every shape, counted, and held to what it says."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext

import pytest
import torch
from records import environment
from watching import Watcher

from llmbench.config import composition
from llmbench.errors import CompositionError, PluginError
from llmbench.plugin.strategy import CannotRun, Strategy
from llmbench.record.settings import Settings
from llmbench.worker import batch, brought, compiled, train
from llmbench.worker.encoding import Tokens
from llmbench_fast.cuda_graphs import CudaGraphs

SETTINGS = Settings(steps=4)
SHORT = [Tokens(tuple(range(1, 9)), prompt=3), Tokens(tuple(range(1, 7)), prompt=2)]
LONG = [Tokens(tuple(range(1, 20)), prompt=3)] * 2
STEPS = [[batch.collate(s, 0)] for s in (SHORT, LONG, SHORT, LONG)]


class Replaying(Strategy):
    id, summary, group = "replaying", "", "launching"

    def record(self, loss, model, inputs):
        SHAPES.append(tuple(inputs["input_ids"].shape))
        return lambda given: loss(model, given)


SHAPES: list[tuple[int, ...]] = []


@pytest.fixture(autouse=True)
def _anew(monkeypatch):
    SHAPES.clear()
    monkeypatch.setattr(compiled, "RECORDED", compiled.Recordings())


def losses(model, *strategies):
    kept = Watcher()
    optimizer = train.adamw(list(model.parameters()), SETTINGS)
    loss = brought.loss_in_steps(strategies)
    train.train(model, optimizer, STEPS, SETTINGS, nullcontext, kept, loss)
    return [step.loss for step in kept.steps]


def test_a_step_is_recorded_once_for_every_shape_and_its_values_are_those_that_are_given(model):
    start = {name: value.clone() for name, value in model.state_dict().items()}
    plain = losses(model)
    model.load_state_dict(start)
    assert losses(model, Replaying()) == plain
    assert SHAPES == [(2, 8), (2, 19)]


def test_what_is_recorded_is_counted_and_timed(model):
    before = compiled.seconds()
    losses(model, Replaying())
    assert compiled.seconds() > before
    found = compiled.so_far()
    assert found is not None
    assert found.recordings == 2


def test_recordings_are_made_where_their_memory_is_counted(model):
    counted = []

    @contextmanager
    def recording():
        before = len(SHAPES)
        yield
        counted.append(SHAPES[before:])

    loss = brought.loss_in_steps([Replaying()], recording)
    for [made] in STEPS:
        loss(model, made)
    assert counted == [[(2, 8)], [(2, 19)]]


def test_a_loop_records_anew(model):
    losses(model, Replaying())
    losses(model, Replaying())
    assert len(SHAPES) == 4


def test_a_strategy_that_declines_leaves_the_loss_as_it_is(model):
    class Shy(Replaying):
        def record(self):
            return None

    start = {name: value.clone() for name, value in model.state_dict().items()}
    plain = losses(model)
    model.load_state_dict(start)
    assert losses(model, Shy()) == plain
    assert compiled.RECORDED.times == 0


def test_what_replays_no_loss_names_the_strategy(registry, model):
    class Wrong(Replaying):
        def record(self, loss, model, inputs):
            return lambda given: torch.zeros(2)

    with pytest.raises(PluginError, match=r"'replaying' of .* failed in record .*not one loss"):
        losses(model, Wrong())


def test_no_two_record():
    assert "recording" in CudaGraphs().claims() & Replaying().claims()


@pytest.mark.parametrize(("longest", "wanted"), [(127, 128), (128, 128), (129, 256)])
def test_batches_are_padded_to_few_lengths(longest, wanted):
    examples = [Tokens(tuple(range(1, longest + 1)), prompt=5), SHORT[0]]
    padded = batch.collate(examples, 0)
    [[made]] = brought.batches([CudaGraphs()], [[padded]], 0)
    assert made.input_ids.shape == made.labels.shape == (2, wanted)
    for name in ("input_ids", "labels"):
        assert torch.equal(getattr(made, name)[:, :longest], getattr(padded, name))
    assert set(made.input_ids[:, longest:].flatten().tolist()) <= {0}
    assert set(made.labels[:, longest:].flatten().tolist()) <= {batch.IGNORED}
    assert made.nonpadding_tokens == padded.nonpadding_tokens


def test_texts_for_an_encoder_are_refused():
    pairs = batch.collate([Tokens((1, 2, 3, 4), prompt=2, paired=True)], 0)
    with pytest.raises(CannotRun, match="encoder"):
        brought.batches([CudaGraphs()], [[pairs]], 0)


@pytest.mark.parametrize(
    ("beside", "said"),
    [
        ("gradient-checkpointing", "write 'activation-budget"),
        ("activation-budget(offload=true)", "no offload"),
        ("ddp", "not tried"),
        ("packing", "batches"),
    ],
)
def test_what_cannot_be_recorded_is_refused_with_a_way_out(beside, said):
    with pytest.raises(CompositionError, match=said):
        composition.read(f"lora+{beside}+cuda-graphs")


def test_without_a_gpu_it_is_skipped():
    assert "leave cuda-graphs out" in str(CudaGraphs().skip(SETTINGS, environment(device="cpu")))
    assert CudaGraphs().skip(SETTINGS, environment(device="cuda")) is None
