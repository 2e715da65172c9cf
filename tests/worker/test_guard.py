"""Plugins that fail in a worker, in this process, on the tiny model: whole cells, each named."""

from __future__ import annotations

import contextlib
import math

import pytest
import torch
from records import cell, job_of

from llmbench.errors import PluginError, Stop
from llmbench.plugin.blame import blamed
from llmbench.plugin.catalogue import Plugin
from llmbench.plugin.metric import Metric, Score
from llmbench.plugin.probe import Probe
from llmbench.plugin.strategy import CannotRun
from llmbench.plugin.task import Example
from llmbench.record.record import PHASES, Member, ModelRef, Record
from llmbench.source import data as dataset
from llmbench.storage.read import read_record
from llmbench.worker import cell as worker
from llmbench.worker.train import Diverged

ROUGE = ("rouge1", "rouge2", "rougeL", "rougeLsum")
THEIRS = Plugin("theirs", "theirs 1.0")
SETTINGS = {
    "steps": 2,
    "burn_in_steps": 1,
    "batch_size": 1,
    "seq_len": 64,
    "eval_examples": 2,
    "eval_batch_size": 2,
    "max_new_tokens": 2,
}


@pytest.fixture(autouse=True)
def plugins(registry, monkeypatch):
    """The built-in plugins, a strategy of somebody else's, and what a test adds."""

    class Mine(registry.strategies.get("lora")):
        id = "mine"

    registry.strategies.add("mine", Mine, THEIRS)
    return registry


@pytest.fixture
def run(model_folder, tmp_path):
    """Runs a cell of `mine`; returns its record."""

    def start(**changes) -> Record:
        made = cell(
            "mine",
            members=(Member(id="mine", options={}, distribution="theirs 1.0"),),
            settings=SETTINGS,
            model=ModelRef(id="tiny", weights="pretrained"),
            **changes,
        )
        data = tmp_path / "data.jsonl"
        rows = [Example(str(i), f"Anna: {i}?", (f"Day {i}.",)) for i in range(2)]
        data.write_text(dataset.lines(rows))
        job = job_of(made, tmp_path, model_folder, data=data)
        worker.run(job, lambda event: None)
        return read_record(job.record_file)

    return start


@contextlib.contextmanager
def leaving_badly():
    yield
    raise OSError("on the way out")


@pytest.mark.parametrize(
    ("method", "result", "phase", "said"),
    [
        ("load_kwargs", None, "load", "load_kwargs (it returned NoneType, not a dictionary)"),
        ("prepare", 3, "prepare", "prepare (it returned int, not a model)"),
        ("optimizer", "adam", "train", "optimizer (it returned str, not an optimiser)"),
        ("training", None, "train", "training (it returned NoneType, not a context)"),
        ("training", leaving_badly(), "train", "training (OSError: on the way out)"),
        ("verify", 1, "train", "verify (it returned int, not a sentence)"),
    ],
)
def test_what_a_strategy_returns_amiss_is_named(
    run, plugins, monkeypatch, method, result, phase, said
):
    kind = plugins.strategies.get("mine")
    monkeypatch.setattr(kind, method, lambda *_: result)
    record = run()
    assert (record.status, record.phase) == ("failed", phase)
    assert record.reason == f"The strategy 'mine' of theirs 1.0 failed in {said}."


def test_a_training_step_that_fails_is_not_the_context_s_fault(run, plugins, monkeypatch):
    kind = plugins.strategies.get("mine")
    monkeypatch.setattr(kind, "training", lambda self: contextlib.nullcontext())
    monkeypatch.setattr("llmbench.worker.train.forward_loss", lambda *_: 1 / 0)
    assert run().reason == "ZeroDivisionError: division by zero"


def add_metric(plugins, name, score):
    def answer(self, predictions, references):
        return score() if callable(score) else score

    kind = type(name, (Metric,), {"id": name, "summary": "", "score": answer})
    plugins.metrics.add(name, kind, THEIRS)


@pytest.mark.parametrize(
    ("score", "said"),
    [
        (None, "it returned NoneType, not a Score"),
        (Score(examples={"x": [1.0]}), "it gave 1 of 2 scores of 'x'"),
        (Score(examples={"x": [1.0, math.nan]}), "its 'x' of example '1' is no number"),
        (Score(corpus={"x": math.inf}), "its 'x' is no number"),
        (Score(examples={"rougeL": [1.0, 1.0]}), "it gives 'rougeL', which another metric gives"),
        (Score(corpus={"status": 0.5}), "it gives 'status', which is another column of results"),
        (Score(examples={"seed": [1.0, 1.0]}), "it gives 'seed', which is another column of"),
        (lambda: 1 / 0, "ZeroDivisionError: division by zero"),
    ],
)
def test_a_metric_that_fails_costs_no_other_figure(run, plugins, score, said):
    add_metric(plugins, "bad", score)
    add_metric(plugins, "last", Score(corpus={"last": 0.5}))
    record = run(metrics=("rouge", "bad", "last"))
    assert (record.status, record.phase) == ("failed", "evaluate")
    assert record.reason.startswith(f"The metric 'bad' of theirs 1.0 failed in score ({said}")
    assert all(
        set(e.scores) == {"rouge1", "rouge2", "rougeL", "rougeLsum"} for e in record.examples
    )
    assert record.corpus_scores == {"rouge_unseen": 0.0, "last": 0.5}
    assert len(record.steps) == 2


class Careful(Probe):
    """A probe that works, unless a subclass says otherwise."""

    id, summary = "careful", ""

    def enter(self, phase):
        pass

    def leave(self, phase):
        return {"energy_joules": 1.5, "power_watts": math.nan}


def test_figures_of_a_probe_of_anybody_are_kept(run, plugins):
    plugins.probes.add("careful", Careful, THEIRS)
    record = run()
    assert record.status == "ok"
    assert record.phases["save"].probes == {"careful": {"energy_joules": 1.5, "power_watts": None}}


def not_in(wrong):
    return lambda self, phase: {"x": 1 / (phase != wrong)}


@pytest.mark.parametrize(
    ("method", "act", "said", "phases"),
    [
        ("__init__", lambda self: 1 / 0, "entering load (ZeroDivisionError", []),
        ("enter", not_in("train"), "entering train (ZeroDivisionError", ["load", "prepare"]),
        ("leave", not_in("prepare"), "leaving prepare (ZeroDivisionError", ["load", "prepare"]),
        ("leave", lambda self, phase: None, "leaving load (it returned NoneType", ["load"]),
        ("leave", lambda self, phase: {"x": "y"}, "leaving load (it returned str", ["load"]),
        ("leave", not_in("save"), "leaving save (ZeroDivisionError", list(PHASES)),
    ],
)
def test_a_probe_that_fails_costs_no_phase_before(run, plugins, method, act, said, phases):
    plugins.probes.add("bad", type("Bad", (Careful,), {"id": "bad", method: act}), THEIRS)
    record = run()
    assert record.status == "failed"
    assert record.reason.startswith(f"The probe 'bad' of theirs 1.0 failed in {said}")
    assert list(record.phases) == phases
    assert all(p.memory.host_growth_bytes is not None for p in record.phases.values())


@pytest.mark.parametrize(
    "error",
    [
        Stop(),
        CannotRun("not here"),
        Diverged("nan"),
        PluginError("in a sentence"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_says_something_of_the_cell_passes(error):
    with pytest.raises(type(error)) as caught, blamed("strategy", "mine", "prepare"):
        raise error
    assert caught.value is error


def test_memory_that_runs_out_in_a_plugin_is_the_cell_s_and_not_its_fault(
    run, plugins, monkeypatch
):
    def prepare(self, model, settings):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore.")

    monkeypatch.setattr(plugins.strategies.get("mine"), "prepare", prepare)
    record = run()
    assert (record.status, record.phase) == ("oom", "prepare")
    assert record.reason == "CUDA out of memory. Tried to allocate 2.00 GiB."


def test_what_our_own_plugins_raise_is_left_as_it_is(plugins, monkeypatch):
    entry = plugins.strategies.entries["lora"]
    ours = type(entry)(entry.item, Plugin("strategies", "llmbench 0.1.0"))
    monkeypatch.setitem(plugins.strategies.entries, "lora", ours)
    with pytest.raises(ZeroDivisionError), blamed("strategy", "lora", "prepare"):
        raise ZeroDivisionError


def test_a_strategy_that_is_in_the_parent_alone_is_named(run, plugins):
    del plugins.strategies.entries["mine"]
    plugins.plugins.append(Plugin("theirs", "theirs 1.0", "ImportError: no"))
    assert run().reason == (
        "The strategy 'mine' of theirs 1.0 is not there in the worker (ImportError: no)."
    )
