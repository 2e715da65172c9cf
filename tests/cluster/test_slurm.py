"""Cells as SLURM jobs, which submitit runs on this machine; and what sbatch would be given."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from records import cell, job_of

from llmbench.config.setup import set_up
from llmbench.errors import ConfigError
from llmbench.output.terminal.preview import launched
from llmbench_cluster import on_slurm
from llmbench_cluster.on_slurm import Slurm, parameters

submitit = pytest.importorskip(
    "submitit", reason="The package submitit is not installed: llmbench[slurm]."
)


class OnThisMachine(Slurm):
    """Jobs as processes here."""

    cluster = "local"


class InThisProcess(Slurm):
    """Jobs one after the other, in the parent."""

    cluster = "debug"


def statuses(store):
    return {r.cell.composition: r.status for r in store.read().records}


@pytest.mark.parametrize("launcher", [OnThisMachine, InThisProcess])
def test_cells_leave_records_events_and_logs(launcher, compare):
    store, heard = compare(launcher, {"lora": "killed"})
    assert statuses(store) == {"base": "ok", "full": "ok", "lora": "killed"}
    assert [e.phase for e in heard.events if e.event == "phase"] == ["train"] * 3
    assert next(store.logs.glob("full.*")).read_text() == "the log of full\n"


def test_a_job_that_ends_without_an_answer_is_a_record_and_runs_once_more(compare, monkeypatch):
    monkeypatch.setattr(submitit.Job, "_results_timeout_s", 0.1)  # it may be slow to show up
    store, _ = compare(OnThisMachine, {"full": "lost once"}, strategies="full")
    found = next(r for r in store.read().records if r.cell.trains)
    assert (found.status, found.attempt) == ("ok", 2)
    assert [e.status for e in found.earlier] == ["killed"]


def test_ctrl_c_lets_the_worker_write_its_record(compare, told):
    def press():
        while not (told / "full.s0.1").exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()
    store, _ = compare(OnThisMachine, {"full": "waits"})
    assert statuses(store) == {"base": "ok", "full": "interrupted"}


def test_a_job_that_waits_for_a_machine_is_cancelled(tmp_path):
    class Waits:
        cancelled = False

        def done(self):
            return False

        def cancel(self, check):
            self.cancelled = True

    launcher, waiting = Slurm(), Waits()
    launcher.interrupt()
    assert launcher._followed(waiting, tmp_path, print) == -signal.SIGINT
    assert waiting.cancelled


def test_without_slurm_the_sentence_says_where_to_run_it(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    job = job_of(cell("lora"), tmp_path)
    job.file.write_text(job.model_dump_json())
    with pytest.raises(ConfigError, match=r"There is no SLURM here .* where sbatch and srun are"):
        Slurm().run(job.file, tmp_path / "log", print)


def test_the_script_that_sbatch_would_get_is_shown(monkeypatch):
    monkeypatch.setenv("SBATCH_PARTITION", "long")
    monkeypatch.setenv(on_slurm.CPUS, "8")
    shown = Slurm.preview("cuda", 2, 3600.0)
    for line in ("gpus-per-node=2", "cpus-per-task=8", "time=70", "nodes=1", "job-name=llmbench"):
        assert f"\n#SBATCH --{line}\n" in shown
    assert "\nsrun --unbuffered" in shown
    assert "SBATCH_PARTITION=long" in shown


def test_a_dry_run_shows_it(registry):
    asked = {"launcher": "slurm", "device": "cpu"}
    assert "#SBATCH --time=1440" in "\n".join(launched(set_up([("test", asked)])))
    assert list(launched(set_up([("test", {"device": "cpu"})]))) == []


def test_on_a_cpu_no_gpu_is_asked_for():
    assert "gpus_per_node" not in parameters("cpu", 1, None)
