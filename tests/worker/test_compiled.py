from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from records import environment
from torch._dynamo.utils import counters

from llmbench.config import composition
from llmbench.plugin.strategy import CannotRun
from llmbench.record.record import Step
from llmbench.record.settings import Settings
from llmbench.worker import batch, compiled, effective, start, train
from llmbench.worker.cell import prepared
from llmbench.worker.encoding import Tokens
from llmbench.worker.memory import Meter
from llmbench.worker.running import Running
from llmbench.worker.training import HeldOut, Witness, nothing_kept, prove_kernel
from llmbench_fast.compile import Compile, decoder_layers

BATCH = batch.collate([Tokens(tuple(range(1, 30)), prompt=9), Tokens((1, 2, 3, 4), prompt=1)], 0)
CPU = torch.device("cpu")
SETTINGS = Settings(steps=2, burn_in_steps=1)


class Notes:
    """A recorder that keeps what it is told."""

    def __init__(self):
        self.meter = Meter(CPU)
        self.steps, self.start = [], None

    def step(self, step):
        self.steps.append(step)

    def note(self, **_):
        pass

    observe = note


class Small(torch.nn.Module):
    def forward(self, x):
        return x.relu() + 1


@pytest.fixture(autouse=True)
def _clean():
    def forget():
        torch._dynamo.reset()
        counters.clear()
        torch.compiler.set_stance("default")

    forget()
    yield
    forget()


def running(model, strategies):
    job = SimpleNamespace(cell=SimpleNamespace(settings=SETTINGS, tuning=False, fit=None))
    return Running(job, strategies, CPU, Notes(), model=model, stepping=model, first=BATCH)


def test_code_that_is_looked_at_is_compiled_all_the_same_when_it_runs_next():
    module = Small()
    module.compile(backend="eager")
    with compiled.left_out():
        effective.observe(lambda: module(torch.ones(2)), "sdpa")
    assert compiled.so_far() is None
    module(torch.ones(2))
    assert compiled.so_far().graphs == 1


def test_layers_are_compiled_in_training_alone_after_all_that_the_harness_does_before(model):
    members = composition.read("full+compile(backend=aot_eager)").members
    before = train.first_loss(model, BATCH)
    model = prepared(model, members, SETTINGS)
    assert train.first_loss(model, BATCH) == before
    work = running(model, members)
    prove_kernel(work, BATCH)
    assert compiled.so_far() is None

    taken = start.in_training(model, [BATCH], work.context, work.loss, None)
    assert taken.training == pytest.approx(before, rel=1e-5)
    graphs = compiled.so_far().graphs
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    held_out = HeldOut(work, ())
    witness = Witness(work, optimizer, None, held_out)
    train.train(model, optimizer, [[BATCH]] * 2, SETTINGS, work.context, witness)
    first, second = work.recorder.steps
    assert first.loss == pytest.approx(before, rel=1e-5)
    assert compiled.so_far().graphs > graphs
    assert 0 < first.compile_seconds <= first.seconds
    assert second.compile_seconds == 0

    graphs = compiled.so_far().graphs
    train.first_loss(model, BATCH)
    assert compiled.so_far().graphs == graphs


def test_a_look_at_a_forward_pass_keeps_no_activations():
    given = torch.ones(3, requires_grad=True)
    with nothing_kept():
        made = given.exp()
    with pytest.raises(TypeError, match="unpack_hook"):  # there is nothing to go backward with
        made.sum().backward()


def test_a_cell_that_compiled_nothing_is_no_compiled_cell(model):
    with pytest.raises(CannotRun, match="compiled nothing"):
        Compile().after_step(model, 1)


def test_layers_are_those_of_the_stack_and_not_lists_within_them(model):
    found = decoder_layers(model)
    assert [type(m).__name__ for m in found] == ["LlamaDecoderLayer"] * len(found)
    found[0].experts = torch.nn.ModuleList([torch.nn.Linear(2, 2)])
    assert decoder_layers(model) == found


def test_a_model_without_layers_is_refused_and_memory_is_not_predicted(model):
    with pytest.raises(CannotRun, match="No list of decoder layers"):
        Compile().prepare(torch.nn.Linear(2, 2), SETTINGS)
    with pytest.raises(CannotRun, match="not predicted"):
        Compile().prepare(model.to("meta"), SETTINGS)


def test_what_writes_kernels_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setattr("llmbench_fast.compile.find_spec", lambda name: None)
    monkeypatch.setattr("llmbench_fast.compile.which", lambda name: None)
    assert "triton" in Compile().skip(SETTINGS, environment("cuda"))
    assert "g++" in Compile().skip(SETTINGS, environment("cpu"))
    assert Compile(backend="aot_eager").skip(SETTINGS, environment("cpu")) is None


def test_older_records_hold_steps_without_a_time_of_compiling():
    old = {"seconds": 1, "loss": 1, "learning_rate": 1, "supervised_tokens": 1}
    step = Step.model_validate({**old, "nonpadding_tokens": 1, "padded_tokens": 1})
    assert step.compile_seconds == 0
