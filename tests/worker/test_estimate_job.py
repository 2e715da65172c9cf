"""From an `EstimateJob` to its answer, in this process."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from records import cell, environment

from llmbench import plugin
from llmbench.plugin.strategy import CannotRun, Strategy
from llmbench.plugin.task import Example
from llmbench.record import events
from llmbench.record.record import Cell, Member, ModelRef
from llmbench.record.settings import Settings
from llmbench.source import data as dataset
from llmbench.worker.estimate import job as worker
from llmbench.worker.estimate.simulation import Simulation
from llmbench.workers.job import Answer, Estimate, EstimateJob, Job, read

pytestmark = pytest.mark.usefixtures("registry")  # whatever else is installed
SETTINGS = {"batch_size": 2, "seq_len": 96, "precision": "bf16-true"}
Run = Callable[..., dict[str, Estimate]]


@pytest.fixture(autouse=True)
def threads() -> Any:
    """Give other tests their threads back."""
    count = torch.get_num_threads()
    yield
    torch.set_num_threads(count)


@pytest.fixture
def run(model_folder: Path, tmp_path: Path) -> Run:
    """Answers for some cells; keeps what was said in `run.said`."""

    def start(*cells: Cell, **changes: Any) -> dict[str, Estimate]:
        values: dict[str, Any] = {
            "cells": cells,
            "environment": environment(compute_capability=(9, 0)),
            "model_source": str(model_folder),
            "answer_file": tmp_path / "answer.json",
        }
        start.said = []  # type: ignore[attr-defined]
        job = EstimateJob(**values | changes)
        worker.run(job, start.said.append)  # type: ignore[attr-defined]
        return Answer.model_validate_json(job.answer_file.read_text()).cells

    return start


def one(ids: str, **changes: Any) -> Cell:
    """A cell on the tiny model."""
    members = tuple(Member(id=i, options={}, distribution="") for i in ids.split("+"))
    settings = SETTINGS | changes.pop("settings", {})
    model = ModelRef(id="tiny", weights="pretrained")
    return cell(ids, members=members, settings=settings, model=model, **changes)


def test_every_cell_has_its_estimate(run: Any) -> None:
    cells = one("full"), one("lora"), one("base")
    found = run(*cells)
    assert list(found) == [c.id for c in cells]
    full, lora, base = (found[c.id] for c in cells)
    assert full.parts.total_bytes > lora.parts.total_bytes > base.parts.total_bytes
    assert lora.parameters.trainable < full.parameters.trainable
    assert [e.done for e in run.said] == [1, 2, 3]
    assert {(type(e), e.total) for e in run.said} == {(events.Estimated, 3)}


def test_forked_processes_predict_what_one_does(run: Any) -> None:
    cells = one("full"), one("lora"), one("base"), one("lora", seed=1)
    alone = run(*cells)
    assert run(*cells, processes=2) == alone
    assert [e.done for e in run.said] == [1, 2, 3, 4]


def test_it_computes_nothing_and_so_takes_one_thread(run: Any) -> None:
    torch.set_num_threads(2)
    run(one("full"))
    assert torch.get_num_threads() == 1


def test_seeds_are_simulated_once(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    class Counted(Simulation):
        def peak(self, settings: Settings) -> Any:
            made.append(settings)
            return super().peak(settings)

    monkeypatch.setattr(worker, "Simulation", Counted)
    found = run(one("lora", seed=0), one("lora", seed=1), one("full"))
    assert len(made) == 2
    assert found["lora.llama.s0"] == found["lora.llama.s1"] != found["full.llama.s0"]


def test_weights_that_are_stored_in_nf4_are_predicted_as_that_or_not_at_all(
    run: Any, model_folder: Path, tmp_path: Path
) -> None:
    config = json.loads((model_folder / "config.json").read_text())
    nf4 = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
    (tmp_path / "config.json").write_text(json.dumps(config | {"quantization_config": nf4}))
    stored = run(one("lora"), one("lora+8-bit"), one("full"), model_source=str(tmp_path))
    whole = run(one("lora"))
    weights = [found["lora.llama.s0"].parts.weights_bytes for found in (stored, whole)]
    assert weights[0] < 0.9 * weights[1]
    assert "cannot be quantised again" in stored["lora+8-bit.llama.s0"].reason
    assert "cannot be trained as a whole" in stored["full.llama.s0"].reason


def test_a_strategy_that_cannot_be_simulated_has_a_reason(run: Any, registry: Any) -> None:
    class Reading(Strategy):
        id, summary, group = "reading", "", "memory"

        def prepare(self, model: Any, settings: Settings) -> Any:
            next(model.parameters()).numpy()
            return model

    class Refusing(Strategy):
        id, summary, group = "refusing", "", "memory"

        def prepare(self, model: Any, settings: Settings) -> Any:
            raise CannotRun("It has no mind to.")

    for strategy in (Reading, Refusing):
        registry.strategies.add(strategy.id, strategy, plugin.Plugin("test", "test"))
    reading, refusing, fine = one("full+reading"), one("full+refusing"), one("full")
    found = run(reading, refusing, fine)
    assert found[reading.id].parts is None
    assert "'reading'" in found[reading.id].reason
    assert "prepare" in found[reading.id].reason
    assert found[refusing.id].reason == "It has no mind to."
    assert found[fine.id].parts


def test_texts_are_as_long_as_they_are(run: Any, model_folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "train.jsonl"
    examples = [Example(f"e{i}", "Anna: Come on Sunday?" + " Yes." * i, ("No.",)) for i in (0, 1)]
    data.write_text(dataset.lines(examples))
    wanted = one("lora", settings={"seq_len": 4096})
    text = {"tokenizer_source": str(model_folder), "train_file": data}
    short, full = run(wanted, **text)[wanted.id], run(wanted)[wanted.id]
    assert short.parts.activations_bytes < full.parts.activations_bytes / 2
    assert short.parts.weights_bytes == full.parts.weights_bytes


def test_texts_are_longer_in_a_chat(
    run: Any, model_folder: Path, tokenizer: Any, tmp_path: Path
) -> None:
    data, folder = tmp_path / "train.jsonl", tmp_path / "chatty"
    data.write_text(dataset.lines([Example("e", "Anna: Come on Sunday?", ("No.",))]))
    chatty = copy.deepcopy(tokenizer)
    chatty.chat_template = "Be brief. Be kind.\n{{ messages[0].content }}\n"
    chatty.save_pretrained(folder)
    text = {"tokenizer_source": str(folder), "train_file": data}
    peaks = []
    for wanted in (one("lora"), one("lora", settings={"template": "plain"})):
        peaks.append(run(wanted, **text)[wanted.id].parts.activations_bytes)
    assert peaks[0] > peaks[1]


def test_a_job_says_what_it_is(tmp_path: Path) -> None:
    shared: dict[str, Any] = {"environment": environment(), "model_source": "gpt2"}
    estimate = EstimateJob(cells=(one("lora"),), answer_file=tmp_path / "a", **shared)
    whole = Job(
        cell=one("lora"),
        record_file=tmp_path / "r",
        work_folder=tmp_path,
        started_at=time.time(),
        **shared,
    )
    for job in (estimate, whole):
        assert read(job.model_dump_json()) == job


def test_the_largest_sizes_fit_and_the_next_do_not(run: Any) -> None:
    wanted, base = one("lora"), one("base")
    now = run(wanted)[wanted.id].parts.total_bytes
    budget = now + 2**20
    found = run(wanted, base, budget_bytes=budget)
    assert found[base.id].largest_batch_size is None

    def peak(**changes: int) -> int:
        other = one("lora", settings=changes)
        return run(other)[other.id].parts.total_bytes

    size, length = found[wanted.id].largest_batch_size, found[wanted.id].longest_seq_len
    assert size >= 2
    assert peak(batch_size=size) <= budget < peak(batch_size=size + 1)
    assert length >= 96
    assert length % 8 == 0
    assert peak(seq_len=length) <= budget < peak(seq_len=length + 8)


def test_without_room_there_is_no_size(run: Any) -> None:
    wanted = one("full")
    found = run(wanted, budget_bytes=2**20)[wanted.id]
    assert (found.largest_batch_size, found.longest_seq_len) == (0, 0)
