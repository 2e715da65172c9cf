"""A cell in two processes on a CPU: the same training as in one, and one record of both."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from importlib.util import find_spec

import psutil
import pytest
from records import cell, environment
from test_cell import EXAMPLES, SETTINGS

from llmbench import process
from llmbench.record.record import Member, Memory, ModelRef, PhaseRecord, Rank, Record
from llmbench.source import data as dataset
from llmbench.storage.read import read_record
from llmbench.worker import cell as worker
from llmbench.worker import ranks
from llmbench.worker.ranks import Death
from llmbench.worker.spread import Spread
from llmbench.workers.job import Job

GROUPS = {"ddp": "parallelism", "fsdp": "parallelism"}


@pytest.fixture(autouse=True)
def plugins(registry):
    """The built-in plugins, whatever else is installed."""
    return registry


@pytest.fixture
def job(model_folder, tmp_path):
    """Makes the job of a cell that shares two micro-batches a step between so many processes."""

    def make(ids: str, gpus: int, **options) -> Job:
        settings = SETTINGS | {"accumulation": 2, "gpus": gpus} | options.pop("settings", {})
        members = tuple(
            Member(id=i, options=options.get(i, {}), distribution="") for i in ids.split("+")
        )
        model = ModelRef(id="tiny", weights="pretrained")
        folder = tmp_path / f"{ids}-{gpus}"
        folder.mkdir()
        data = folder / "data.jsonl"
        data.write_text(dataset.lines(EXAMPLES))
        return Job(
            cell=cell(ids, members=members, settings=settings, model=model),
            environment=environment("cpu"),
            model_source=str(model_folder),
            tokenizer_source=str(model_folder),
            train_file=data,
            eval_file=data,
            validation_file=data,
            record_file=folder / "record.json",
            work_folder=folder,
            started_at=0.0,
        )

    return make


def forked(job: Job) -> int:
    """The process of a worker that runs the job, its ranks below it."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        os.setpgid(0, 0)
        ranks.run(job, os.open(os.devnull, os.O_WRONLY))
        status = 0
    finally:
        os._exit(status)


@pytest.fixture
def fork():
    """Starts a worker, and ends what the test leaves of it."""
    children = []
    yield lambda job: children.append(forked(job)) or children[-1]
    for child in children:
        with contextlib.suppress(ChildProcessError):  # the test has waited for it
            if os.waitpid(child, os.WNOHANG) == (0, 0):
                process.end(child)


def finished(job: Job) -> Record:
    """The record of a cell, in as many processes as it asks for."""
    if job.cell.settings.gpus == 1:
        worker.run(job, lambda event: None)
    else:
        os.waitpid(forked(job), 0)
    return read_record(job.record_file)


def started(job: Job, worker: int) -> list[psutil.Process]:
    """The ranks of a worker in their order, once the first one trains."""
    deadline = time.monotonic() + 60
    while not (left := ranks.left_by(job)) or left.phase != "train":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return sorted(psutil.Process(worker).children(), key=lambda p: p.pid)


def gone(family: list[psutil.Process]) -> bool:
    """Whether none of the processes runs any more."""
    return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in family)


def losses(record: Record) -> list[float]:
    """Every loss that training and evaluation saw."""
    steps = [s.loss for s in record.steps]
    return [record.first_loss, record.start.step, *steps, record.eval_loss] + [
        v.loss for v in record.validation
    ]


@pytest.mark.parametrize(
    ("alone", "spread", "settings"),
    [
        ("full", "full+ddp", {"precision": "bf16-stochastic"}),
        ("full", "full+fsdp", {}),
        ("full", "full+gradient-checkpointing+fsdp", {"fsdp": {"shard": "grad_op"}}),
        ("full", "full+tensor-parallel", {}),
        ("qlora", "qlora+fsdp", {"qlora": {"paged": False}}),
    ],
)
def test_two_processes_train_as_one_does(job, alone, spread, settings):
    options = {k: v for k, v in settings.items() if k != "precision"}
    shared = {k: v for k, v in settings.items() if k == "precision"}
    one = finished(job(alone, 1, settings=shared, **options))
    two = finished(job(spread, 2, settings=shared, **options))
    assert (two.status, two.reason) == ("ok", None)
    assert losses(two) == pytest.approx(losses(one), rel=1e-4)
    assert [s.nonpadding_tokens for s in two.steps] == [s.nonpadding_tokens for s in one.steps]
    assert [e.prediction for e in two.examples] == [e.prediction for e in one.examples]
    assert two.artifact_bytes == pytest.approx(one.artifact_bytes, rel=0.01)
    assert two.effective["base_weights"] != "none"


@pytest.mark.skipif(find_spec("deepspeed") is None, reason="needs DeepSpeed")
@pytest.mark.parametrize(
    ("adaptation", "stage", "precision"),
    [
        ("full", 1, "fp32"),
        ("full", 2, "bf16-master"),
        ("full+gradient-checkpointing", 3, "fp32"),
        ("lora", 3, "fp32"),
    ],
)
def test_deepspeed_trains_as_one_process_does(job, adaptation, stage, precision):
    settings = {"precision": precision}
    one = finished(job(adaptation, 1, settings=settings))
    two = finished(job(f"{adaptation}+zero", 2, zero={"stage": stage}, settings=settings))
    assert (two.status, two.reason) == ("ok", None), two.traceback
    assert two.first_loss == one.first_loss
    kept = "float32" if precision == "fp32" else "bfloat16"
    assert (two.effective["gradients"], two.effective["master_weights"]) == (kept, "float32")
    close = 1e-4 if precision == "fp32" else 1e-2  # gradients are summed in bf16
    assert losses(two) == pytest.approx(losses(one), rel=close)
    assert two.artifact_bytes == pytest.approx(one.artifact_bytes, rel=0.01)
    assert two.moved.share == pytest.approx(two.moved.meant, abs=0.01)


def test_adapters_of_a_model_that_is_cut_up_learn_and_start_from_the_same_loss(job):
    one, two = finished(job("lora", 1)), finished(job("lora+tensor-parallel", 2))
    assert (two.status, two.reason) == ("ok", None)
    assert losses(two)[:3] == pytest.approx(losses(one)[:3], rel=1e-4)
    assert two.eval_loss == pytest.approx(one.eval_loss, rel=0.05)
    assert two.attention_kernels == one.attention_kernels
    assert two.parameters == one.parameters


def test_a_record_has_the_peaks_of_all_and_the_backend(job):
    record = finished(job("lora+ddp", 2))
    assert record.backend == "gloo"
    peaks = [rank.peaks["train"].host_growth_bytes for rank in record.ranks]
    assert len(peaks) == 2
    assert record.phases["train"].memory.host_growth_bytes == max(peaks)


def test_a_killed_rank_ends_the_cell_by_its_name_and_leaves_no_process(job, fork):
    made = job("full+ddp", 2, settings={"steps": 2000})
    child = fork(made)
    family = started(made, child)
    began = time.monotonic()
    family[1].kill()
    os.waitpid(child, 0)
    assert time.monotonic() - began < 10
    record = read_record(made.record_file)
    assert record.status == "killed"
    assert record.phase in ("prepare", "train")  # it may have been behind the first
    assert record.reason.startswith("Rank 1 of 2 ended by signal 9")
    assert gone(family)


def test_ctrl_c_ends_all_ranks_and_the_first_writes_it_down(job, fork):
    made = job("full+ddp", 2, settings={"steps": 2000})
    child = fork(made)
    family = started(made, child)
    os.kill(child, signal.SIGINT)
    os.waitpid(child, 0)
    record = read_record(made.record_file)
    assert (record.status, record.reason) == ("interrupted", "Interrupted by the user.")
    assert gone(family)


def test_a_first_rank_that_is_too_slow_to_write_it_down_was_interrupted_all_the_same(job):
    running, asked = {"status": "running", "phase": "train"}, Death(0, -signal.SIGINT)
    of = job("lora+ddp", 2)
    made = ranks.merged(of, left_by_two(running, running), asked)
    assert (made.status, made.phase) == ("interrupted", "train")
    assert made.reason == "Interrupted by the user."
    done = left_by_two({"status": "ok"}, {"status": "ok"})
    assert ranks.merged(of, done, asked).status == "ok"


def left_by_two(one: dict, other: dict) -> list[Record]:
    """The records of two ranks."""
    made = cell("lora+ddp", settings={"gpus": 2})
    return [Record(cell=made, **fields) for fields in (one, other)]


def memory(size: int) -> dict:
    """A train phase with that peak."""
    return {"train": PhaseRecord(seconds=1.0, memory=Memory(allocated_bytes=size))}


def test_the_memory_of_a_cell_is_that_of_the_rank_that_needed_most(job):
    left = left_by_two({"status": "ok", "phases": memory(5)}, {"status": "ok", "phases": memory(7)})
    made = ranks.merged(job("lora+ddp", 2), left, None)
    assert made.phases["train"].memory.allocated_bytes == 7
    assert [r.peaks["train"].allocated_bytes for r in made.ranks] == [5, 7]


def test_a_rank_that_runs_out_of_memory_speaks_for_the_cell(job):
    running = {"status": "running", "phase": "train"}
    left = left_by_two(running, {"status": "oom", "phase": "train", "reason": "No memory."})
    made = ranks.merged(job("lora+ddp", 2), left, Death(1, ranks.ENDED_BADLY))
    assert (made.status, made.reason) == ("oom", "Rank 1 of 2: No memory.")


def test_a_reason_that_all_ranks_have_names_none(job):
    running, skipped = {"status": "running"}, {"status": "skipped", "reason": "It cannot run."}
    made = ranks.merged(job("lora+ddp", 2), left_by_two(running, skipped), Death(1, 3))
    assert (made.status, made.reason) == ("skipped", "It cannot run.")


def test_a_rank_that_left_nothing_is_named_with_its_exit_status(job):
    made = ranks.merged(job("lora+ddp", 2), [None, None], Death(0, 1))
    assert made.status == "failed"
    assert made.reason.startswith("Rank 0 of 2 ended with exit status 1")
    assert made.ranks == (Rank(), Rank())


def test_ranks_share_a_step_without_repeats():
    step = list(range(6))
    parts = [Spread(n, 3, parts_data=True).part(step) for n in range(3)]
    assert sorted(x for part in parts for x in part) == step
    assert Spread(1, 3).part(step) == step


@pytest.mark.parametrize(
    ("visible", "own"), [(None, ["0", "1"]), ("", ["0", "1"]), ("2, 5", ["2", "5"])]
)
def test_every_rank_sees_its_own_of_the_gpus_that_the_cell_may_use(monkeypatch, visible, own):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [ranks.environment(n, 2)["CUDA_VISIBLE_DEVICES"] for n in range(2)] == own
