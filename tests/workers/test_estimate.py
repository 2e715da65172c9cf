"""`llmbench estimate`: what it asks of a worker, what it makes of the answer, how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from records import GIB, cell, environment

from llmbench.cli import cli
from llmbench.command.estimate import estimate as command
from llmbench.errors import ConfigError, UserError
from llmbench.estimate import forecast, run
from llmbench.estimate.forecast import Prediction, budget_bytes
from llmbench.record.events import Started
from llmbench.record.record import MemoryParts, Parameters
from llmbench.workers.job import Answer, Estimate, EstimateJob
from llmbench.workers.outcome import EstimateError, Outcome

PARTS = MemoryParts(weights_bytes=13 * GIB, optimizer_bytes=GIB, activations_bytes=6 * GIB)
KNOWN = Estimate(
    parts=PARTS,
    parameters=Parameters(trainable=40_000_000, total=6_778_000_000),
    base_parameters=6_738_000_000,
    loaded_bytes=2.0,
    largest_batch_size=5,
    longest_seq_len=1304,
)


def row(memory_gib: float, estimate: Estimate = KNOWN) -> Prediction:
    return Prediction(cell("lora"), estimate, int(memory_gib * GIB))


@pytest.mark.parametrize(
    ("memory_gib", "fits"), [(0, None), (20, "no"), (20.79, "no"), (21, "tight"), (24, "yes")]
)
def test_what_fits_leaves_room_for_the_context(memory_gib: float, fits: str | None) -> None:
    assert row(memory_gib).fits == fits
    assert row(memory_gib, Estimate(reason="no")).fits is None


def test_the_budget_is_what_the_allocator_may_hold() -> None:
    assert budget_bytes(0) is None
    assert budget_bytes(GIB // 2) == 0
    assert budget_bytes(24 * GIB) == 24 * GIB - forecast.OUTSIDE_BYTES


def test_rules_of_thumb_count_the_base_and_training_only_where_all_is_trained() -> None:
    assert row(0).loading_rule_bytes == 2 * 6_738_000_000
    assert row(0).training_rule_bytes is None
    full = KNOWN.model_copy(
        update={
            "parameters": Parameters(trainable=7_000_000_000, total=7_000_000_000),
            "base_parameters": 7_000_000_000,
        }
    )
    assert row(0, full).loading_rule_bytes == 14_000_000_000
    assert row(0, full).training_rule_bytes == (112_000_000_000, 140_000_000_000)


def test_gpus_are_known_by_name_and_by_memory() -> None:
    t4 = forecast.environment("T4")
    assert (t4.device, t4.device_name, t4.compute_capability) == ("cuda", "T4", (7, 5))
    assert 14 * GIB < t4.device_memory_bytes < 15 * GIB
    sized = forecast.environment("24GiB")
    assert (sized.device_name, sized.device_memory_bytes) == ("a GPU of 24GiB", 24 * GIB)
    assert sized.compute_capability is None
    with pytest.raises(ConfigError, match="did you mean 'h100' or"):
        forecast.environment("h1000")
    for name, known in forecast.GPUS.items():
        nominal = float(known.nominal.split()[0])
        assert 0.9 < known.usable_gib / nominal <= 1.0, name


def test_without_a_name_it_is_the_gpu_that_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    here = environment()
    monkeypatch.setattr(forecast, "collect", lambda: here)
    assert forecast.environment(None) is here
    monkeypatch.setattr(forecast, "collect", lambda: environment("cpu"))
    none = forecast.environment(None)
    assert (none.device, none.device_name, none.device_memory_bytes) == ("cuda", "a GPU", 0)


class Answering:
    """Stands in for a launcher: writes an answer, and keeps the job."""

    def __init__(self, answers: Callable[[str], Estimate], status: int = 0) -> None:
        self.answers = answers
        self.status = status
        self.job: EstimateJob | None = None

    def run(self, job: EstimateJob, log: Path, listen: Any) -> Outcome:
        self.job = job
        listen(Started())
        found = {c.id: self.answers(c.composition) for c in self.job.cells}
        if self.status == 0:
            self.job.answer_file.write_text(Answer(cells=found).model_dump_json())
        log.write_text("Traceback:\nImportError: no torch.\n")
        return Outcome(self.status, log)

    def interrupt(self) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Answering]:
    """Has the command ask a stand-in, in an empty directory."""
    monkeypatch.chdir(tmp_path)

    def make(answers: Any = lambda composition: KNOWN, status: int = 0) -> Answering:
        launcher = Answering(answers, status)
        monkeypatch.setattr(run, "make_workers", lambda *_, **__: launcher)
        return launcher

    return make


def invoke(*args: str) -> Result:
    return CliRunner().invoke(cli, ["estimate", *args])


def test_every_composition_has_a_row_in_each_table(answering: Any) -> None:
    answering()
    done = invoke("--model", "llama-2-7b", "--gpu", "a10g", "--strategies", "lora,qlora")
    assert done.exit_code == 0, done.output
    assert len(re.findall(r"^lora ", done.stdout, re.M)) == 3
    assert len(re.findall(r"^qlora ", done.stdout, re.M)) == 3
    assert "llama-2-7b on A10G, of whose memory 22.0 GiB can be used" in done.stdout
    assert re.search(r"^lora +20.0 GiB +13.0 GiB +1.0 GiB +6.0 GiB", done.stdout, re.M)
    assert re.search(r"^lora +yes +20.8 GiB +5 +1,304", done.stdout, re.M)
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_the_worker_is_told_how_many_processes_are_of_use(
    answering: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "usable_cpus", lambda: 64)
    assert [run.processes_for(n) for n in (1, 3, 20)] == [1, 3, 4]
    launcher = answering()
    invoke("--strategies", "full,lora,qlora")
    assert launcher.job.processes == 3
    monkeypatch.setattr(run, "usable_cpus", lambda: 1)
    assert run.processes_for(7) == 1


def test_without_a_gpu_nothing_is_said_to_fit(answering: Any) -> None:
    launcher = answering()
    done = invoke("--model", "gpt2", "--strategies", "lora")
    assert "Fits" not in done.stdout
    assert launcher.job.budget_bytes is None


def test_the_job_asks_for_what_was_asked_for(answering: Any) -> None:
    launcher = answering()
    invoke(
        *("--model", "llama-2-7b", "--strategies", "qlora,flash-attention", "--gpu", "24GiB"),
        *("--batch-size", "2", "--seq-len", "512", "--accumulation", "3", "--weights", "random"),
    )
    job = launcher.job
    assert [c.composition for c in job.cells] == ["qlora", "full+flash-attention"]
    assert {c.settings.precision for c in job.cells} == {"bf16-stochastic"}
    first = job.cells[0]
    assert (first.settings.batch_size, first.settings.seq_len) == (2, 512)
    assert (first.settings.accumulation, first.model.weights) == (3, "random")
    assert first.settings.optimizer == "paged-adamw-32bit"
    assert job.model_source.endswith("llama-2-7b")
    assert job.budget_bytes == 24 * GIB - forecast.OUTSIDE_BYTES


def test_files_and_variables_are_read_as_for_compare(
    answering: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher = answering()
    (tmp_path / "llmbench.toml").write_text('model = "gpt2"\nsteps = 9\nseeds = 3\nfit = "8GiB"\n')
    monkeypatch.setenv("LLMBENCH_SEQ_LEN", "256")
    done = invoke("--strategies", "lora")
    assert done.exit_code == 0, done.output
    assert [c.settings.seq_len for c in launcher.job.cells] == [256]
    assert "gpt2 on a GPU" in done.stdout


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        (lambda composition: Estimate(reason="It has no shape."), 4),
        (lambda composition: KNOWN if composition == "lora" else Estimate(reason="No."), 1),
    ],
)
def test_what_cannot_be_predicted_is_said_and_shows_in_the_status(
    answering: Any, answers: Any, status: int
) -> None:
    answering(answers)
    done = invoke("--strategies", "lora,full")
    assert done.exit_code == status
    assert "full: not predicted: " in done.stdout


def test_a_reason_is_shown_with_its_brackets(answering: Any) -> None:
    answering(lambda composition: Estimate(reason="It needs llmbench[deepspeed]."))
    assert (
        "full: not predicted: It needs llmbench[deepspeed]."
        in invoke("--strategies", "full").stdout
    )


def test_a_strategy_that_cannot_run_there_is_not_simulated(answering: Any) -> None:
    launcher = answering()
    done = invoke("--strategies", "flash-attention,lora", "--precision", "fp32", "--gpu", "h100")
    assert [c.composition for c in launcher.job.cells] == ["lora"]
    assert "full+flash-attention: not predicted: Flash kernels on a GPU" in done.stdout
    assert done.exit_code == 1


def test_a_gpu_without_bf16_is_named(answering: Any) -> None:
    answering()
    assert "T4 has no bf16" in invoke("--strategies", "lora", "--gpu", "t4").stdout
    fp32 = invoke("--strategies", "lora", "--gpu", "t4", "--precision", "fp32")
    assert "no bf16" not in fp32.stdout


def test_json_holds_every_figure(answering: Any) -> None:
    answering()
    done = invoke("--strategies", "lora", "--gpu", "24GiB", "--json")
    found = json.loads(done.stdout)
    assert found["gpu_memory_bytes"] == 24 * GIB
    (lora,) = found["compositions"]
    assert lora["predicted_peak_memory_bytes"] == 20 * GIB == sum(lora["parts"].values())
    assert (lora["fits"], lora["largest_batch_size"]) == ("yes", 5)
    assert lora["rules_of_thumb"] == {"load_bytes": 2.0 * 6_738_000_000, "train_bytes": None}


def test_a_worker_that_dies_is_a_sentence(answering: Any) -> None:
    answering(status=1)
    done = invoke("--strategies", "lora")
    assert isinstance(done.exception, EstimateError)
    assert str(done.exception).startswith("Memory could not be predicted (ImportError: no torch)")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--gpu", "t5"), "There is no GPU 't5': did you mean 't4'?"),
        (("--gpu", "0GB"), "There is no GPU '0GB'"),
        (("--strategies", "base"), "Nothing is trained"),
        (("--strategies", "loar"), "did you mean 'lora'"),
        (("--model", "lama-2-7b"), "did you mean 'llama-2-7b'"),
        (("--batch-size", "0"), "--batch-size cannot be 0"),
    ],
)
def test_mistakes_are_a_sentence(answering: Any, args: tuple[str, ...], said: str) -> None:
    answering()
    done = invoke(*args)
    assert isinstance(done.exception, UserError)
    assert said in str(done.exception)


def test_the_shell_completes_gpus() -> None:
    option = next(p for p in command.params if p.name == "gpu")
    offered = option.shell_complete(command.make_context("estimate", ["--json"]), "A100")
    assert [item.value for item in offered] == ["a100-40gb", "a100-80gb"]


def test_it_predicts_the_shipped_model_from_its_shape(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "llmbench", "estimate", "--json", "--gpu", "t4"),
            *("--strategies", "lora,lora+4-bit+gradient-checkpointing"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lora, saving = json.loads(done.stdout)["compositions"]
    assert lora["parameters"]["trainable"] == saving["parameters"]["trainable"] > 0
    assert saving["predicted_peak_memory_bytes"] < lora["predicted_peak_memory_bytes"]
    assert (lora["fits"], lora["largest_batch_size"]) == ("yes", 1024)
    assert not list(tmp_path.iterdir())


def test_ctrl_c_ends_it_at_once_and_cleanly(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "llmbench", "estimate", "--model", "llama-2-7b", "--gpu", "t4"],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not list(tmp_path.glob("llmbench-*/estimate.log")):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err == "llmbench: interrupted.\n"
    assert not list(tmp_path.iterdir())
