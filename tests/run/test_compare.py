from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from typing import ClassVar

import pytest
from records import comparison, ended, ok
from scripted import Scripted, ctrl_c, finish, gone_at_once, killed_in_training, leave

from llmbench import errors
from llmbench.errors import BusyError, DataError, StoreError
from llmbench.files import write_text
from llmbench.plugin.catalogue import Plugin
from llmbench.plugin.launcher import WorkerLost
from llmbench.record.events import Started
from llmbench.record.record import Record, Shortage
from llmbench.run import lock
from llmbench.storage.read import read_record
from llmbench.storage.store import Store


def statuses(store: Store) -> dict[str, str]:
    return {r.cell.composition: r.status for r in store.read().records}


def record_of(store: Store, composition: str) -> Record:
    return next(r for r in store.read().records if r.cell.composition == composition)


def test_cells_run_one_after_the_other_the_base_first(run):
    store, heard, launcher = run(strategies="lora,full")
    assert launcher.ran == ["base", "lora", "full"] == heard.cells
    assert statuses(store) == dict.fromkeys(["base", "lora", "full"], "ok")
    assert launcher.closed


def test_events_and_records_reach_the_listener_as_they_come(run):
    _, heard, _ = run()
    assert heard.events == [Started()] * 3
    assert heard.records == [(c, "ok", False) for c in ("base", "full", "lora")]


def test_the_parent_imports_neither_torch_nor_transformers():
    code = """
import sys
from llmbench.run import comparison
from llmbench import plugin
from llmbench.config import config
from llmbench.storage import export
from llmbench.output.terminal import preview
from llmbench.record import figure
from llmbench.storage import store
plugin.registry()
print({"torch", "transformers", "peft", "bitsandbytes"} & sys.modules.keys())
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_every_cell_is_given_the_same_examples_in_files(run, data):
    store, _, launcher = run(steps=5, batch_size=3)
    assert len({(j.train_file, j.eval_file) for j in launcher.jobs}) == 1
    job = launcher.jobs[0]
    # Each seed draws its 15 from ten times as many, or from all that there are.
    assert len(job.train_file.read_text().splitlines()) == 40
    assert len(job.eval_file.read_text().splitlines()) == 5
    assert store.read().inputs.keys() <= {f"eval-{i}" for i in range(40)}


def test_a_cell_that_is_skipped_has_a_record_and_never_starts(run, registry, monkeypatch):
    lora = registry.strategies.get("lora")
    monkeypatch.setattr(lora, "skip", lambda *_: "Not here.")
    store, heard, launcher = run()
    assert launcher.ran == ["base", "full"]
    assert statuses(store)["lora"] == "skipped"
    assert record_of(store, "lora").reason == "Not here."
    assert ("lora", "skipped", False) in heard.records


def test_a_worker_that_is_killed_leaves_its_phase_and_its_steps_and_the_next_cell_runs(run):
    store, _, launcher = run({"full": killed_in_training})
    record = record_of(store, "full")
    assert (record.status, record.phase) == ("killed", "train")
    assert record.steps
    assert record.traceback == "the last words"
    assert launcher.ran[-1] == "lora"


def test_a_worker_that_dies_without_a_word_leaves_a_record_of_that(run):
    record = record_of(run({"lora": gone_at_once})[0], "lora")
    assert (record.status, record.phase) == ("failed", None)
    assert "exit status 1" in record.reason


def test_the_last_words_of_a_worker_that_fails_are_its_reason(run):
    def out_of_room(job, log):
        log.write_text("Traceback\n  somewhere\nStoreError: Cannot write: make room there.\n")
        return 1

    record = record_of(run({"lora": out_of_room})[0], "lora")
    said = "The worker ended with exit status 1: StoreError: Cannot write: make room there."
    assert record.reason == said


def test_a_cell_with_a_good_record_is_not_run_again(run):
    run()
    store, heard, launcher = run()
    assert launcher.ran == []
    assert heard.records == [(c, "ok", True) for c in ("base", "full", "lora")]
    assert all(r.attempt == 1 for r in store.read().records)


def test_a_cell_that_failed_is_a_result_and_run_again_only_if_asked_for(run):
    run({"full": gone_at_once, "lora": gone_at_once})
    store, heard, launcher = run()
    assert launcher.ran == []
    assert heard.records[1:] == [("full", "failed", True), ("lora", "failed", True)]
    assert run(retry="oom")[2].ran == []
    assert run(retry="failed,oom")[2].ran == ["full", "lora"]
    assert set(statuses(store).values()) == {"ok"}


def test_a_cell_that_is_still_to_be_skipped_keeps_its_record(run, registry, monkeypatch):
    lora = registry.strategies.get("lora")
    with monkeypatch.context() as patch:
        patch.setattr(lora, "skip", lambda *_: "Not here.")
        assert [run()[1].records[-1] for _ in range(2)] == [
            ("lora", "skipped", False),
            ("lora", "skipped", True),
        ]
    assert run()[2].ran == ["lora"]


def out_of_memory(job, log):
    leave(job, status="oom", phase="train", shortage=Shortage(where="cuda", asked_bytes=2**31))
    return 0


def test_memory_that_ran_out_is_told_with_a_way_out_and_the_rest_runs(run):
    store, _, launcher = run({"full": out_of_memory})
    reason = record_of(store, "full").reason
    assert reason.startswith("The GPU's memory ran out when 2.0 GiB were asked for: try a smaller")
    assert launcher.ran == ["base", "full", "lora"]


def test_it_can_stop_at_a_cell_that_runs_out_of_memory_and_go_on_later(run):
    store, heard, launcher = run({"full": out_of_memory}, on_oom="stop")
    assert launcher.ran == ["base", "full"]
    assert "--on-oom stop" in heard.events[-1].reason
    assert run({}, on_oom="stop")[2].ran == ["lora"]
    assert statuses(store) == {"base": "ok", "full": "oom", "lora": "ok"}


def test_a_worker_is_told_which_attempt_it_is(run):
    run({"lora": killed_in_training})
    assert [job.attempt for job in run()[2].jobs] == [2]


def test_what_a_killed_run_left_behind_is_taken_over(run):
    store, _, first = run({"lora": killed_in_training})
    job = first.jobs[-1]
    job.work_folder.mkdir(parents=True)
    leave(job, attempt=2)
    assert run()[2].ran == []
    assert record_of(store, "lora").status == "ok"


def test_a_cell_that_was_killed_is_run_again_and_keeps_its_first_attempt(run):
    run({"lora": killed_in_training})
    store, _, launcher = run()
    assert launcher.ran == ["lora"]
    record = record_of(store, "lora")
    assert (record.status, record.attempt) == ("ok", 2)
    first = read_record(store.records / f"{record.cell.id}.attempt-1.json")
    assert first.status == "killed"


def test_a_changed_setting_is_another_cell(run):
    first, _, _ = run(strategies="lora", steps=10)
    before = {r.cell.id for r in first.read().records}
    second, _, launcher = run(strategies="lora", steps=11)
    assert launcher.ran == ["base", "lora"]
    after = {r.cell.id for r in second.read().records}
    assert before < after


def test_another_seed_or_other_data_is_another_cell(run, data):
    run(strategies="lora")
    assert run(strategies="lora", seed=1)[2].ran == ["base", "lora"]
    with data[1].open("a") as file:
        file.write('{"id": "new", "text": "new", "summary": "new"}\n')
    assert run(strategies="lora", eval_examples=41)[2].ran == ["base", "lora"]


def test_another_model_in_the_same_folder_is_another_cell(run, tmp_path):
    run(strategies="lora")
    (tmp_path / "model" / "config.json").write_text('{"hidden_size": 65}')
    assert run(strategies="lora")[2].ran == ["base", "lora"]


def test_an_added_strategy_runs_alone(run):
    run(strategies="full")
    assert run(strategies="full,lora")[2].ran == ["lora"]


def test_an_interruption_keeps_what_was_measured_and_starts_nothing_more(run):
    store, _, launcher = run({"full": ctrl_c})
    assert statuses(store) == {"base": "ok", "full": "interrupted"}
    assert launcher.ran == ["base", "full"]
    assert launcher.interrupted == 1
    assert launcher.closed


def test_after_an_interruption_the_rest_runs(run):
    run({"full": ctrl_c})
    store, _, launcher = run()
    assert launcher.ran == ["full", "lora"]
    assert set(statuses(store).values()) == {"ok"}


def test_the_header_holds_the_configuration_the_command_and_the_plan(run):
    store, heard, _ = run(steps=7)
    header = store.read_header()
    assert header.configuration["settings"]["steps"] == 7
    assert header.origins["steps"] == "test"
    assert header.command == "llmbench compare"
    assert header.plan == heard.plan
    assert header.data_fields == {"input": "text", "target": "summary"}
    assert header.name == "out"


def test_a_workers_folder_is_gone_afterwards(run):
    store, _, launcher = run({"lora": gone_at_once})
    assert not store.work.exists()
    assert not any(job.work_folder.exists() for job in launcher.jobs)


def test_random_weights_run_on_random_tokens(run):
    store, _, launcher = run(weights="random", data=None, eval_data=None)
    job = launcher.jobs[0]
    assert (job.train_file, job.eval_file, job.tokenizer_source) == (None, None, None)
    assert store.read().inputs == {}
    assert "random tokens" in store.read_header().notices[1]


def test_random_weights_with_data_are_fed_text(run):
    job = run(weights="random")[2].jobs[0]
    assert job.train_file.name == "train.jsonl"
    assert job.tokenizer_source


def test_own_data_need_held_out_data(run):
    with pytest.raises(DataError, match="give --eval-data"):
        run(eval_data=None)


@pytest.mark.parametrize("values", [{"data": "no-such.jsonl"}, {"eval_data": "no-such.jsonl"}])
def test_bad_data_leave_no_output_directory(run, tmp_path, values):
    with pytest.raises(DataError):
        run(**values)
    assert not (tmp_path / "out").exists()
    assert Scripted.latest.closed


def test_an_output_directory_that_cannot_be_made_ends_it_before_any_cell(run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        run(output=str(tmp_path / "file" / "out"))
    assert Scripted.latest.ran == []
    assert Scripted.latest.closed


def test_a_directory_that_another_run_holds_is_left_alone(run, tmp_path):
    root = tmp_path / "out"
    root.mkdir()
    with lock.directory(root, False, print), pytest.raises(BusyError, match="in use by another"):
        run()
    assert Scripted.latest.ran == []
    assert Scripted.latest.closed
    assert not (root / "comparison.json").exists()


def test_what_the_machine_is_like_is_known_before_a_cell_runs(run, monkeypatch):
    monkeypatch.setattr(lock, "check", lambda setup: ("Others are here.",))
    store, _, _ = run()
    assert "Others are here." in store.read().header.notices


def test_on_a_gpu_that_others_use_no_cell_runs_and_nothing_is_written(run, tmp_path, monkeypatch):
    def refuse(setup):
        raise BusyError("Others are here.")

    monkeypatch.setattr(lock, "check", refuse)
    with pytest.raises(BusyError):
        run()
    assert not (tmp_path / "out").exists()


def test_without_an_output_directory_one_is_named_after_the_model(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store, _, _ = run(output=None)
    assert store.root.parent.name == "reports"
    assert store.root.name.endswith("-model")


@pytest.fixture
def full_disk(monkeypatch):
    """A disk without room for the record of the composition named."""

    def fill(composition):
        def write(path, text):
            if path.parent.name == "records" and path.name.startswith(f"{composition}."):
                raise StoreError("Cannot write: make room there.")
            write_text(path, text)

        monkeypatch.setattr("llmbench.storage.store.write_text", write)

    return fill


def test_a_full_disk_ends_it_at_once_and_loses_no_earlier_record(run, full_disk, tmp_path):
    full_disk("full")
    with pytest.raises(StoreError, match=r"make room there; .* --output .*out goes on from there"):
        run()
    assert statuses(Store(tmp_path / "out")) == {"base": "ok"}
    assert Scripted.latest.ran == ["base", "full"]
    assert Scripted.latest.closed
    assert not (tmp_path / "out" / ".work").exists()


def test_a_directory_that_is_removed_meanwhile_is_said_to_be(run, tmp_path):
    def remove(job, log):
        shutil.rmtree(tmp_path / "out")
        return 1

    with pytest.raises(StoreError, match="was removed while the comparison ran"):
        run({"full": remove})
    assert not (tmp_path / "out").exists()


def test_what_a_full_disk_cost_is_measured_when_there_is_room_again(run, full_disk):
    full_disk("full")
    with pytest.raises(StoreError):
        run()
    full_disk("none of the cells")
    store, _, launcher = run()
    assert launcher.ran == ["full", "lora"]
    assert set(statuses(store).values()) == {"ok"}


def test_an_earlier_attempt_stays_the_latest_where_the_next_cannot_be_written(
    run, full_disk, tmp_path
):
    run({"full": killed_in_training})
    full_disk("full")
    with pytest.raises(StoreError):
        run()
    assert statuses(Store(tmp_path / "out"))["full"] == "killed"


def test_cells_of_an_earlier_configuration_do_not_decide_the_exit_status():
    held = comparison([ok("lora"), ended("full", "failed", "It broke.")])
    planned = held.header.plan.model_copy(update={"cells": held.header.plan.cells[:1]})
    now = replace(held, header=held.header.model_copy(update={"plan": planned}))
    assert errors.exit_status([r.status for r in held.planned]) == errors.SOME_FAILED
    assert errors.exit_status([r.status for r in now.planned]) == errors.OK


def test_what_the_data_share_and_leave_out_is_a_warning(run, data):
    train, evaluated = data
    rows = [json.loads(line) | {"mood": "x"} for line in evaluated.read_text().splitlines()]
    train.write_text("".join(json.dumps(row) + "\n" for row in rows))
    store, _, _ = run(strategies="base")
    said = store.read().header.warnings
    assert "5 of 5 evaluated examples are in the training data" in said[0]
    assert said[1] == "'train.jsonl' is read from text to summary; left out: mood."


class Together(Scripted):
    """Runs its cells elsewhere: as many at once as are asked for."""

    id, summary, elsewhere = "together", "no process at all", True
    made: ClassVar = []

    def __init__(self):
        super().__init__()
        self.made.append(self)


@pytest.fixture
def together(run, registry):
    """As `run`, two cells at once; returns the store, what was heard and both launchers."""
    registry.launchers.add("together", Together, Plugin("test", "test"))

    def start(acts=None, **values):
        Together.made.clear()
        store, heard, _ = run(acts, **{"launcher": "together", "jobs": 2, "seeds": 2, **values})
        return store, heard, list(Together.made)

    return start


def test_two_cells_run_at_once_and_leave_what_one_after_the_other_leave(together, run, tmp_path):
    both = threading.Barrier(2, timeout=20)

    def meets_another(job, log):
        both.wait()
        return finish(job, log)

    store, heard, launchers = together(dict.fromkeys(["base", "full", "lora"], meets_another))
    alone = run(seeds=2, output=str(tmp_path / "alone"))[0]
    assert [len(launcher.jobs) for launcher in launchers] == [3, 3]
    assert all(launcher.closed for launcher in launchers)
    assert len(heard.records) == 6
    ids = [{r.cell.id for r in s.read().records} for s in (store, alone)]
    assert ids[0] == ids[1]


def test_ctrl_c_reaches_every_cell_that_runs_and_begins_no_other(together):
    both = threading.Barrier(2, timeout=20)

    def interrupted(job, log):
        if both.wait() == 0:
            os.kill(os.getpid(), signal.SIGINT)
        assert Together.asked.wait(20)
        leave(job, status="interrupted", phase="train")
        return 0

    Together.asked = threading.Event()
    Together.interrupt = lambda self: (Scripted.interrupt(self), self.asked.set())
    store, heard, launchers = together(dict.fromkeys(["base", "full", "lora"], interrupted))
    assert [launcher.interrupted for launcher in launchers] == [1, 1]
    assert [status for _, status, _ in heard.records] == ["interrupted"] * 2
    assert len(store.read().records) == 2


def test_a_lost_worker_is_a_record_and_its_cell_runs_once_more(run, registry):
    registry.launchers.add("together", Together, Plugin("test", "test"))

    def lost(job, log):
        if job.cell.composition == "lora" or job.attempt == 1:
            raise WorkerLost("Its machine is gone.")
        return finish(job, log)

    store, heard, _ = run({"full": lost, "lora": lost}, launcher="together")
    found = {r.cell.composition: r for r in store.read().records}
    assert [(r.status, r.attempt) for r in found.values()] == [
        ("ok", 1),
        ("ok", 2),
        ("killed", 2),
    ]
    assert found["lora"].reason == "Its machine is gone."
    assert [e.reason.partition(" is run")[2] for e in heard.events if e.event == "notice"] == [
        " once more. Its machine is gone."
    ] * 2


def test_what_is_lost_after_ctrl_c_is_interrupted_and_not_run_again(run):
    def lost(job, log):
        os.kill(os.getpid(), signal.SIGINT)
        raise WorkerLost("Its machine is gone.")

    store, _, launcher = run({"full": lost})
    assert statuses(store) == {"base": "ok", "full": "interrupted"}
    assert launcher.ran == ["base", "full"]
