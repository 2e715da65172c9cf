"""The search for learning rates as a comparison runs it, with a launcher that only pretends."""

from __future__ import annotations

import json
import math

import pytest
from records import validated
from scripted import Heard, ctrl_c, finish, leave

from llmbench.analysis.tuning import searches
from llmbench.errors import ConfigError, DataError
from llmbench.record.record import Shortage, Validation
from llmbench.run import lanes
from llmbench.storage.store import Store
from llmbench_models import HERE

BEST = {"full": 2e-4, "lora": 2e-3}
"""Where the pretended losses are lowest."""


def train(job, log):
    """A worker whose loss depends on the rate alone."""
    cell = job.cell
    if not cell.tuning:
        return finish(job, log)
    off = math.log10(cell.settings.learning_rate / BEST[cell.arithmetic])
    end = Validation(step=cell.settings.steps, train_seconds=1, tokens=9, loss=1.5 + off**2)
    leave(job, validation=(end,), examples=())
    return 0


@pytest.fixture
def data(tmp_path):
    for name, count in (("train", 200), ("eval", 20)):
        rows = [{"text": f"{name} text {i}", "summary": f"{i} it is"} for i in range(count)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    return tmp_path


@pytest.fixture
def run(scripted, data):
    def start(act=train, **values):
        acts = dict.fromkeys(("full", "lora", "base", "full+gradient-checkpointing"), act)
        asked = {
            "model": str(HERE / "tiny"),
            "seeds": 1,
            "data": str(data / "train.jsonl"),
            "eval_data": str(data / "eval.jsonl"),
            "output": str(data / "out"),
            **values,
        }
        finished, heard, launcher = scripted(acts, **asked)
        return Store(finished.directory), heard, launcher

    return start


def reported(store):
    return {r.cell.composition: r.cell for r in store.read().records if not r.cell.tuning}


def test_each_arithmetic_trains_at_the_rate_that_was_best_for_it(run):
    store, _, _ = run()
    cells = reported(store)
    for name, best in BEST.items():
        assert abs(math.log10(cells[name].settings.learning_rate / best)) < 0.26
        assert cells[name].rate == "tuned"
        assert "learning_rate" in cells[name].declared
    found = searches(store.read().records)
    assert {s.bracketed for s in found.values()} == {True}
    assert len({len(s.tries) for s in found.values()}) == 1
    assert all(len(s.tries) >= 5 for s in found.values())


def test_tries_have_a_seed_of_their_own_and_are_not_evaluated(run):
    store, _, launcher = run(seeds=3)
    tries = [j.cell for j in launcher.jobs if j.cell.tuning]
    seeds = {j.cell.seed for j in launcher.jobs if not j.cell.tuning}
    assert len({c.seed for c in tries}) == 1
    assert {c.seed for c in tries}.isdisjoint(seeds)
    assert all(r.examples == () for r in store.read().records if r.cell.tuning)


def test_parts_that_change_memory_alone_share_the_rate_and_are_not_tried(run):
    store, _, launcher = run(strategies="full,gradient-checkpointing")
    assert {j.cell.arithmetic for j in launcher.jobs if j.cell.tuning} == {"full"}
    assert {j.cell.composition for j in launcher.jobs if j.cell.tuning} == {"full"}
    cells = reported(store)
    shared = cells["full+gradient-checkpointing"].settings.learning_rate
    assert shared == cells["full"].settings.learning_rate


def test_an_arithmetic_that_is_not_planned_itself_is_tried_with_what_shares_it(run):
    _, _, launcher = run(strategies="gradient-checkpointing")
    tries = {j.cell.composition for j in launcher.jobs if j.cell.tuning}
    assert tries == {"full+gradient-checkpointing"}


@pytest.mark.parametrize(
    "values",
    [
        {"tune": False},
        {"learning_rate": 1e-4},
        {"weights": "random", "data": None, "eval_data": None},
        {"validation_examples": 0},
        {"model": "llmbench-tiny"},  # whose plugin knows its rates
        {"strategies": "lora(learning_rate_factor=3),full+learning-rate(to=1e-3)"},
    ],
)
def test_nothing_is_tried_where_it_is_not_asked_for_or_of_no_use(run, values):
    _, _, launcher = run(finish, **values)
    assert not any(j.cell.tuning for j in launcher.jobs)


def test_a_given_rate_is_kept_and_said_to_be_given(run):
    store, _, _ = run(finish, learning_rate=1e-4)
    cells = reported(store)
    assert (cells["full"].settings.learning_rate, cells["full"].rate) == (1e-4, "given")
    assert cells["lora"].settings.learning_rate == pytest.approx(1e-3)


def test_the_model_s_own_rates_are_taken(run):
    store, _, _ = run(finish, model="llmbench-tiny")
    cells = reported(store)
    assert {cells["full"].rate, cells["lora"].rate} == {"model"}


def test_tuning_that_cannot_be_is_refused_in_a_sentence(run):
    with pytest.raises(ConfigError, match="--tune needs real weights"):
        run(finish, tune=True, weights="random", data=None, eval_data=None)
    with pytest.raises(ConfigError, match="raise --validation-examples"):
        run(finish, tune=True, validation_examples=0)


def test_a_try_that_diverges_is_a_point_and_no_failure(run):
    def act(job, log):
        if job.cell.tuning and job.cell.settings.learning_rate > 1e-3:
            leave(job, status="diverged", reason="The training loss became nan.", examples=())
            return 0
        return train(job, log)

    store, _, _ = run(act)
    found = searches(store.read().records)
    assert found["lora"].bracketed
    assert reported(store)["lora"].settings.learning_rate < 1e-3


def test_an_arithmetic_that_runs_out_of_memory_is_given_up_and_runs_at_its_declared_rate(run):
    def act(job, log):
        if job.cell.arithmetic == "full" and job.cell.trains:
            shortage = Shortage(where="host")
            leave(job, status="oom", phase="train", reason="none left", shortage=shortage)
            return 0
        return train(job, log)

    store, _, launcher = run(act)
    assert sum(j.cell.tuning and j.cell.arithmetic == "full" for j in launcher.jobs) == 3
    assert reported(store)["full"].rate == "default"
    assert reported(store)["lora"].rate == "tuned"


def test_a_run_that_is_interrupted_while_tuning_goes_on_where_it_stopped(run):
    count = 0

    def act(job, log):
        nonlocal count
        count += 1
        return ctrl_c(job, log) if count == 5 else train(job, log)

    before = run(act)[0].read()
    assert [r.status for r in before.records if r.cell.tuning].count("ok") == 4
    assert before.header.plan.to_come > 0
    store, _, launcher = run()
    again = [j.cell.id for j in launcher.jobs]
    assert not {r.cell.id for r in before.records if r.status == "ok"} & set(again)
    cells = reported(store)
    assert {cells["full"].rate, cells["lora"].rate} == {"tuned"}
    assert store.read().header.plan.to_come == 0


def test_a_second_run_measures_nothing(run):
    run()
    _, heard, launcher = run()
    assert launcher.jobs == []
    assert all(kept for _, _, kept in heard.records)


def test_the_plan_says_how_many_tries_are_to_come(run):
    plans = []

    class Counting(Heard):
        def start(self, plan, root):
            plans.append(plan)

    store, heard, _ = run()
    assert heard.plan.to_come == 0
    assert sum(p.cell.tuning for p in store.read_header().plan.cells) >= 10


def test_tries_are_kept_apart_from_the_cells_that_are_reported(run):
    store, _, _ = run()
    read = store.read()
    assert not any(r.cell.tuning for r in read.equal.records)
    assert all(r.cell.tuning for r in read.tried.records)
    assert len(read.tried.records) >= 10


def inputs(path):
    return {json.loads(line)["input"] for line in path.read_text().splitlines()}


def test_no_example_is_in_two_of_training_validation_and_evaluation(run, data):
    rows = [{"text": f"train  text {i}\n", "summary": "again"} for i in range(0, 200, 3)]
    rows += [{"text": "eval text 7", "summary": "evaluated as well"}]
    with (data / "train.jsonl").open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    _, _, launcher = run(steps=200)
    job = launcher.jobs[0]
    files = job.train_file, job.validation_file, job.eval_file
    train_, held, evaluated = ({" ".join(i.split()) for i in inputs(f)} for f in files)
    assert len(held) == 20  # a tenth of the different ones
    assert not held & train_
    assert not held & evaluated


def test_what_is_held_out_follows_the_content_and_not_the_order(run, data):
    _, _, launcher = run()
    before = inputs(launcher.jobs[0].validation_file)
    lines = (data / "train.jsonl").read_text().splitlines()
    (data / "train.jsonl").write_text("\n".join(reversed(lines)) + "\n")
    _, _, launcher = run(output=str(data / "other"))
    assert inputs(launcher.jobs[0].validation_file) == before


def test_given_validation_data_lose_what_is_trained_on_or_evaluated(run, data):
    rows = ["train text 3", "eval text 4", "another text"]
    (data / "own.jsonl").write_text(
        "".join(json.dumps({"text": text, "summary": "s"}) + "\n" for text in rows)
    )
    _, _, launcher = run(validation_data=str(data / "own.jsonl"))
    assert inputs(launcher.jobs[0].validation_file) == {"another text"}
    with pytest.raises(DataError, match="trained on or evaluated as well"):
        run(validation_data=str(data / "eval.jsonl"), output=str(data / "other"))


def test_a_record_s_validations_come_back_as_they_were(run, data):
    def act(job, log):
        leave(job)
        if job.cell.trains and not job.cell.tuning:
            from llmbench.storage.read import read_record

            record = validated(read_record(job.record_file), 3.0, 2.0, 1.5)
            leave(job, validation=record.validation, steps=record.steps)
            return 0
        return train(job, log)

    store, _, _ = run(act)
    for record in store.read().records:
        if record.cell.trains and not record.cell.tuning:
            assert [v.loss for v in record.validation] == [3.0, 2.0, 1.5]


def test_seeds_draw_what_they_train_on_from_ten_times_as_much(run):
    store, _, launcher = run(steps=4, batch_size=2, burn_in_steps=0, seeds=2, tune=False)
    assert {j.cell.train_data.examples for j in launcher.jobs} == {80}
    lines = (store.data / "train.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 80


def test_tries_that_share_a_gpu_find_the_same_rates_and_the_report_says_so(run, monkeypatch, data):
    alone, _, _ = run()
    monkeypatch.setattr(lanes, "tries_at_once", lambda setup, peaks: min(3, len(peaks)) or 1)
    beside, _, _ = run(output=str(data / "beside"))
    rates = [{n: c.settings.learning_rate for n, c in reported(s).items()} for s in (alone, beside)]
    assert rates[0] == rates[1]
    assert lanes.TRIED_AT_ONCE in beside.read().header.notices
    assert lanes.TRIED_AT_ONCE not in alone.read().header.notices


@pytest.mark.parametrize("status", ["oom", "failed"])
def test_a_try_that_fails_beside_others_is_run_again_alone_and_so_are_all_later_ones(
    run, monkeypatch, status
):
    asked = []

    def two(setup, peaks):
        asked.append(len(peaks))
        return 2

    monkeypatch.setattr(lanes, "tries_at_once", two)
    again = set()

    def short_at_first(job, log):
        crowded = job.cell.tuning and job.cell.arithmetic == "lora" and job.attempt == 1
        if crowded and len(again) < 3:
            again.add(job.cell.id)
            leave(job, status=status, reason="No room.", shortage=Shortage(where="cuda"))
            return 0
        return train(job, log)

    store, _, _ = run(short_at_first, on_oom="stop")
    assert (len(again), asked) == (3, [6])
    assert all(store.record(name).status == "ok" for name in again)
    assert all(store.record(name).attempt == 2 for name in again)
    assert reported(store)["lora"].rate == "tuned"
