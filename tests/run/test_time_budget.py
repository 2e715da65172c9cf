"""A comparison with a time budget, with a launcher that only pretends and a clock of its own."""

from __future__ import annotations

import json
import math

import pytest
import records
from scripted import ctrl_c, leave

from llmbench.analysis.judging import stand
from llmbench.errors import ConfigError
from llmbench.record.record import PhaseRecord, Step, Validation
from llmbench.run import clock
from llmbench.run.cell import CUT_OFF
from llmbench.storage.store import Store
from llmbench.wording.racing import NOT_RUN
from llmbench_models import HERE

STEP, EXAMPLE, AROUND = 0.5, 0.1, 4.0
"""Seconds of a step, of an evaluated example, and of all else in a cell."""
QUALITY = {"base": 0.2, "full": 0.6, "lora": 0.595, "lora(r=4)": 0.4, "lora(r=2)": 0.3}
METHODS = "full,lora,lora(r=4),lora(r=2)"


class Pretended:
    """Workers that take their time on a clock that nobody waits for."""

    def __init__(self):
        self.seconds, self.slow, self.stops, self.turned = 0.0, {}, None, False
        self.ran = []

    def now(self):
        return self.seconds

    def __call__(self, job, log):
        cell = job.cell
        self.ran.append(cell)
        if self.stops is not None and len(self.ran) > self.stops:
            return ctrl_c(job, log)
        factor = self.slow.get(cell.composition, 1.0)
        train = factor * STEP * cell.settings.steps * cell.trains
        plain = cell.tuning or not job.evaluates
        evaluate = 0.0 if plain else EXAMPLE * cell.eval_data.examples
        if job.limit_seconds is not None and train + evaluate + AROUND > job.limit_seconds:
            self.seconds += job.limit_seconds
            leave(job, status="running", phase="train", examples=())
            raise TimeoutError
        self.seconds += train + evaluate + AROUND
        made = self.record(cell, train, evaluate)
        leave(job, **made)
        return 0

    def quality(self, cell):
        usual = QUALITY[cell.composition]
        return 1.0 - usual if self.turned and cell.trains else usual

    def record(self, cell, train, evaluate):
        examples = cell.eval_data.examples * bool(evaluate)
        shown = cell.model_copy(
            update={"settings": cell.settings.model_copy(update={"eval_examples": examples})}
        )
        ok = records.ok(cell.composition, self.quality(cell), spread=0.4, cell=shown)
        rate = cell.settings.learning_rate
        off = math.log10(rate / (2e-4 if cell.arithmetic == "full" else 2e-3))
        end = Validation(step=cell.settings.steps, train_seconds=1, tokens=9, loss=1.5 + off**2)
        start = end.model_copy(update={"step": 0, "loss": 4.0})
        steps = [s.model_copy(update={"seconds": STEP}) for s in ok.steps]
        memory = ok.phases["load"].memory
        timed = {"load": 1.0, "train": train, "evaluate": evaluate}
        return {
            "phases": {n: PhaseRecord(seconds=s, memory=memory) for n, s in timed.items()},
            "steps": tuple(map(Step.model_validate, steps)),
            "validation": (start, end) if cell.trains else (),
            "examples": ok.examples,
            "seconds": train + evaluate + AROUND,
        }


@pytest.fixture
def workers(monkeypatch):
    made = Pretended()
    monkeypatch.setattr(clock, "now", made.now)
    return made


@pytest.fixture
def run(scripted, tmp_path, workers):
    for name, count in (("train", 400), ("eval", 200)):
        rows = [{"text": f"{name} text {i}", "summary": f"{i} it is"} for i in range(count)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))

    def start(budget, **values):
        asked = {
            "model": str(HERE / "tiny"),
            "strategies": METHODS,
            "steps": 20,
            "tune": False,
            "data": str(tmp_path / "train.jsonl"),
            "eval_data": str(tmp_path / "eval.jsonl"),
            "output": str(tmp_path / "out"),
            "time_budget": budget,
            **values,
        }
        workers.ran = []
        finished, heard, launcher = scripted(dict.fromkeys(QUALITY, workers), **asked)
        return Store(finished.directory).read(), heard, launcher

    return start


def seeds(comparison):
    """How many seeds each method has."""
    return {a.cell.composition: len(a.well) for a in stand(comparison).variants if a.cell.trains}


def test_what_is_clearly_worse_is_given_up_and_its_time_goes_to_the_others(run, workers):
    read, heard, _ = run("8m")
    timed = read.header.timed
    assert {g.composition for g in timed.given_up} == {"lora(r=4)", "lora(r=2)"}
    assert all(g.high < -0.01 and g.seeds in timed.looks for g in timed.given_up)
    trained = seeds(read)
    assert trained["full"] == trained["lora"] > max(trained["lora(r=4)"], trained["lora(r=2)"])
    assert timed.end == "time"
    assert 0.85 * 480 <= workers.seconds <= 1.1 * 480
    assert any("is given up after" in getattr(e, "reason", "") for e in heard.events)


def test_steps_are_those_asked_for_and_examples_are_the_same_for_all(run):
    read, *_ = run("10m")
    cells = [r.cell for r in read.equal.records]
    assert {c.settings.steps for c in cells} == {20}
    assert len({c.eval_data.sha256 for c in cells}) == 1
    assert {c.eval_data.examples for c in cells} == {read.header.timed.examples}
    assert read.header.origins["eval_examples"] == "planned for --time-budget"


def test_given_examples_seeds_and_tries_are_kept(run):
    read, *_ = run("30m", eval_examples=30, seeds=3, tries=4, tune=True)
    assert {r.cell.eval_data.examples for r in read.equal.records} == {30}
    assert max(seeds(read).values()) == 3
    assert read.header.timed.looks == (2,)
    assert read.header.timed.look_level + read.header.timed.last_level == 0.05
    assert read.header.timed.tries == 4
    assert read.header.timed.end in ("seeds", "decided")


def test_a_pilot_is_no_result(run):
    read, *_ = run("5m")
    pilots = [r for r in read.records if r.cell.pilot]
    assert [r.cell.id for r in pilots] == [read.header.timed.pilot]
    assert pilots[0].cell.settings.steps < 20
    assert not any(r.cell.pilot for r in (*read.equal.records, *read.reported.records))


def test_what_no_time_is_left_for_is_said_not_to_be_run(run, workers):
    read, *_ = run("60s")
    left_out = {r.cell.composition for r in read.equal.records if r.reason == NOT_RUN}
    assert left_out
    assert left_out < set(QUALITY)
    assert {r.status for r in read.equal.records if r.reason == NOT_RUN} == {"skipped"}
    assert read.header.timed.end == "time"
    assert workers.seconds <= 66


def test_more_time_runs_what_was_left_out_and_nothing_again(run, workers):
    before, *_ = run("60s")
    examples = before.header.timed.examples
    spent = workers.seconds
    read, *_ = run("10m")
    assert not any(r.reason == NOT_RUN for r in read.equal.records)
    assert read.header.timed.examples == examples
    kept = {r.cell.id for r in before.records if r.status == "ok"}
    assert kept.isdisjoint(c.id for c in workers.ran)
    assert read.header.timed.spent_seconds > spent
    assert workers.seconds <= 660


def test_a_run_into_the_same_directory_has_what_is_left_of_the_time(run, workers):
    read, *_ = run("10m")
    ended = workers.seconds
    again, *_ = run("10m")
    assert workers.ran == []
    assert workers.seconds == ended
    assert again.header.timed.given_up == read.header.timed.given_up
    assert seeds(again) == seeds(read)


def test_another_comparison_in_the_directory_has_a_plan_and_a_time_of_its_own(run, workers):
    before, *_ = run("8m", eval_examples=40)
    assert before.header.timed.given_up
    ended = workers.seconds
    workers.turned = True
    read, *_ = run("8m", eval_examples=40, steps=21)
    given_up = {g.composition for g in read.header.timed.given_up}
    assert {"full", "lora"} <= given_up <= set(METHODS.split(",")) - {"lora(r=2)"}
    assert 0 < read.header.timed.spent_seconds == pytest.approx(workers.seconds - ended, abs=1)


def test_a_run_that_its_user_ended_goes_on_to_the_same_end(run, workers):
    workers.stops = 9
    before, *_ = run("8m")
    assert before.header.timed.end == ""
    workers.stops = None
    read, *_ = run("8m")
    kept = {r.cell.id for r in before.records if r.status == "ok"}
    assert kept.isdisjoint(c.id for c in workers.ran)
    assert {g.composition for g in read.header.timed.given_up} == {"lora(r=4)", "lora(r=2)"}
    assert workers.seconds <= 1.1 * 480


def test_the_search_for_rates_takes_at_most_half_of_the_time(run, workers):
    read, *_ = run("30m", tune=None)
    tries = read.tried.records
    assert read.header.timed.tries == 5
    assert len(tries) >= 4 * 5
    assert sum(r.seconds for r in tries) <= 900
    assert {r.cell.rate for r in read.equal.records if r.cell.trains} == {"tuned"}


def test_without_time_for_three_tries_nothing_is_searched_for(run):
    read, heard, _ = run("3m", tune=None)
    assert read.header.timed.tries == 0
    assert not read.tried.records
    assert {r.cell.rate for r in read.equal.records if r.cell.trains} == {"default"}
    assert any("no search for learning rates" in getattr(e, "reason", "") for e in heard.events)


def test_a_search_that_is_asked_for_comes_first_whatever_it_takes(run):
    read, *_ = run("4m", tune=True)
    assert read.header.timed.tries == 3
    assert len(read.tried.records) == 12


def test_a_method_that_fails_gets_no_further_seed(run, workers):
    ordinary = workers.record

    def record(cell, train, evaluate):
        made = ordinary(cell, train, evaluate)
        broken = cell.composition == "lora" and not cell.pilot
        return made | ({"status": "failed", "reason": "It broke."} if broken else {})

    workers.record = record
    read, *_ = run("10m")
    assert sum(r.cell.composition == "lora" for r in read.equal.records) == 1
    assert seeds(read)["full"] > 1


def test_a_method_that_did_not_learn_gets_no_further_seed(run, workers):
    ordinary = workers.record

    def record(cell, train, evaluate):
        made = ordinary(cell, train, evaluate)
        if cell.composition == "lora(r=2)":
            start, _ = made["validation"]
            end = start.model_copy(update={"step": 20, "loss": 3.99})
            made["validation"] = (start, end)
        return made

    workers.record = record
    read, *_ = run("5m")
    trained = seeds(read)
    assert trained["lora(r=2)"] == 1
    assert trained["full"] > 1
    assert not any(g.composition == "lora(r=2)" for g in read.header.timed.given_up)


def test_a_cell_that_takes_far_longer_than_expected_is_cut_off(run, workers, monkeypatch):
    from llmbench.workers.launch import Workers

    ordinary = Workers.run

    def limited(self, job, log, listen):
        """What the real clock of a worker does once its limit is over."""
        try:
            return ordinary(self, job, log, listen)
        except Exception:
            from llmbench.workers.outcome import Outcome

            return Outcome(status=1, log=log, limit_seconds=job.limit_seconds)

    monkeypatch.setattr(Workers, "run", limited)
    workers.slow = {"lora(r=2)": 60.0}
    read, *_ = run("5m")
    cut = [r for r in read.equal.records if r.reason == CUT_OFF]
    assert [r.cell.composition for r in cut] == ["lora(r=2)"]
    assert cut[0].status == "interrupted"
    assert workers.seconds <= 330


def test_a_budget_and_a_search_for_what_fits_exclude_each_other(run):
    with pytest.raises(ConfigError, match="--fit searches for as long as it takes"):
        run("10m", fit="1GiB")
